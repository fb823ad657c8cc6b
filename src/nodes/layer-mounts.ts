import { mkdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { mountFailure } from './mount-failure.ts';
import { escapeMountField } from './mount-info.ts';
import type { LayerMount } from './mount-plan.ts';
import { runTool } from './run-tool.ts';

/** A loop device takes up to 50 ms, so 500 layers 25 s; the rest is for slow disks. */
export const MOUNT_TIMEOUT_MS = 100_000;

/** Number of mount(2) on the processors Larder runs on (asm/unistd_64.h, asm-generic/unistd.h). */
const MOUNT_SYSCALL: Readonly<Record<string, number>> = { x64: 165, arm64: 40 };
/** MS_RDONLY | MS_NOATIME (linux/mount.h). */
const MOUNT_FLAGS = 1 | 1024;
/**
 * Linux 6.12 and later mount an EROFS file itself. util-linux before 2.41 doesn't know and always sets up a loop device,
 * which costs 50 ms of kernel time against 1, so the system call is made here. Pairs of file and directory, each ended by a NUL.
 */
const MOUNT_FILES_SCRIPT = `
$/ = "\\0";
my ($call, $flags, $type) = ($ARGV[0] + 0, $ARGV[1] + 0, "erofs");
while (defined(my $file = <STDIN>)) {
  my $directory = <STDIN>;
  chomp($file, $directory);
  syscall($call, $file, $directory, $type, $flags, 0) == 0 or die "$file: $!\\n";
}`;

export type LayerMountOptions = {
  /** Where mount points are made, one folder per layer. */
  directory: string;
  /** Mount points in use now. */
  mounted: () => Promise<ReadonlySet<string>>;
  signal?: AbortSignal | undefined;
};

/**
 * Mounts each layer at `<directory>/<name>`, those that are mounted already left alone: file-backed where kernel and system
 * can, on loop devices elsewhere. Throws `nodes.layer-missing` or `nodes.mount-failed`.
 */
export async function mountLayers(layers: readonly LayerMount[], options: LayerMountOptions): Promise<void> {
  const { directory, signal } = options;
  const mountPoint = (layer: LayerMount) => join(directory, layer.name);
  const waiting = async () => {
    const mounted = await options.mounted();
    return layers.filter((layer) => !mounted.has(mountPoint(layer)));
  };
  let missing = await waiting();
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
  await mountFiles(
    missing.map((layer) => [layer.file, mountPoint(layer)]),
    signal,
  );
  missing = await waiting();
  if (missing.length === 0) return;

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

/** Best effort: what it leaves unmounted (no perl, an older kernel, a broken file), mount(8) tries next and explains. */
async function mountFiles(
  pairs: readonly (readonly [string, string])[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const call = MOUNT_SYSCALL[process.arch];
  if (call === undefined) return;
  const input = pairs.map(([file, directory]) => `${file}\0${directory}\0`).join('');
  const args = ['-e', MOUNT_FILES_SCRIPT, `${call}`, `${MOUNT_FLAGS}`];
  try {
    await runTool('perl', args, { input, timeoutMs: MOUNT_TIMEOUT_MS, signal });
  } catch (error) {
    if (!(error instanceof LarderError && error.code === 'nodes.tool-missing')) throw error;
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
