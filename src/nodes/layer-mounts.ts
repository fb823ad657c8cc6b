import { mkdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { mountFailure } from './mount-failure.ts';
import { escapeMountField } from './mount-info.ts';
import type { LayerMount } from './mount-plan.ts';
import { runTool } from './run-tool.ts';

/** A loop device takes up to 50 ms, so 500 layers 25 s; the rest is for slow disks. */
export const MOUNT_TIMEOUT_MS = 300_000;

export type LayerMountOptions = {
  /** Where mount points are made, one folder per layer. */
  directory: string;
  /** Mount points in use now. */
  mounted: () => Promise<ReadonlySet<string>>;
  signal?: AbortSignal | undefined;
};

/**
 * Mounts each layer at `<directory>/<name>`, those that are mounted already left alone, with one call of mount(8): file-backed
 * where kernel (6.12) and util-linux (2.41) can, on loop devices elsewhere. Throws `nodes.layer-missing` or `nodes.mount-failed`.
 */
export async function mountLayers(layers: readonly LayerMount[], options: LayerMountOptions): Promise<void> {
  const { directory, signal } = options;
  const mountPoint = (layer: LayerMount) => join(directory, layer.name);
  const waiting = async () => {
    const mounted = await options.mounted();
    return layers.filter((layer) => !mounted.has(mountPoint(layer)));
  };
  const missing = await waiting();
  if (missing.length === 0) return;
  for (const layer of missing) {
    if (!(await isFile(layer.file))) {
      throw new LarderError(
        'nodes.layer-missing',
        `the layer ${layer.file} is not there; create the image cache again`,
      );
    }
    await mkdir(mountPoint(layer), { recursive: true });
  }
  const table = join(directory, 'fstab');
  const lines = missing.map((layer) => {
    return `${escapeMountField(layer.file)} ${escapeMountField(mountPoint(layer))} erofs ro,noatime 0 0\n`;
  });
  await writeFile(table, lines.join(''), { mode: 0o600 });
  try {
    const result = await runTool('mount', ['-a', '-T', table], { timeoutMs: MOUNT_TIMEOUT_MS, signal });
    if (result.exitCode !== 0) throw await mountFailure('erofs', result);
  } finally {
    await rm(table, { force: true });
  }
}

/** Unmounts layers and removes their mount points. What is busy stays for the next time. */
export async function unmountLayers(mountPoints: readonly string[], signal?: AbortSignal): Promise<void> {
  if (mountPoints.length === 0) return;
  await runTool('umount', mountPoints, { timeoutMs: MOUNT_TIMEOUT_MS, signal });
  await Promise.allSettled(mountPoints.map((mountPoint) => rmdir(mountPoint)));
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
