import { lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hexOf } from '../../lib/digest.ts';
import { describeError, errorCode } from '../../lib/errors.ts';
import { holdBlob, isMountPoint, loadLibc, mountLayers, unmountLayers } from '../index.ts';
import { replaceLink } from './replace.ts';
import type { StoreFolders } from './store-folders.ts';
import type { StoreLayer, StoreProblem } from './store-model.ts';

const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
/** Folders and links only; they take next to nothing. */
const TMPFS_OPTIONS = 'mode=0700,size=64m';

/** The folder name of a layer's mount. Layers in different chains share it, and with it the pages in memory. */
export function mountName(layer: Pick<StoreLayer, 'blob' | 'copy'>): string {
  return layer.copy === 0 ? hexOf(layer.blob) : `${hexOf(layer.blob)}-${layer.copy}`;
}

/** Where a layer's content is seen while it is mounted. */
export function contentPath(folders: StoreFolders, layer: Pick<StoreLayer, 'blob' | 'copy'>): string {
  return join(folders.mounts, mountName(layer));
}

/** The mount itself, where {@link contentPath} leads. */
export function mountPoint(folders: StoreFolders, layer: Pick<StoreLayer, 'blob' | 'copy'>): string {
  return join(folders.points, mountName(layer));
}

export type MountBlobsOptions = { dataDirectory: string; signal?: AbortSignal | undefined };

/**
 * Holds and mounts the blobs of layers, those that are mounted already checked again. Answers the files they are mounted from, by mount name,
 * and for each that failed the reason: one bad blob is no reason to withhold the others.
 */
export async function mountBlobs(
  folders: StoreFolders,
  layers: readonly StoreLayer[],
  options: MountBlobsOptions,
): Promise<{ files: Map<string, string>; problems: Map<string, StoreProblem> }> {
  const { dataDirectory, signal } = options;
  await openMounts(folders);
  const files = new Map<string, string>();
  const problems = new Map<string, StoreProblem>();
  for (const layer of new Map(layers.map((each) => [mountName(each), each])).values()) {
    const name = mountName(layer);
    const point = join(folders.points, name);
    try {
      const file = await holdBlob({ dataDirectory, folder: folders.blobs, layer, signal });
      await mountLayers([{ name, file, digest: layer.blobDigest }], { directory: folders.points, signal });
      files.set(name, file);
    } catch (error) {
      signal?.throwIfAborted();
      // A mount outlives its file.
      if (!(errorCode(error) === 'nodes.layer-missing' && isMounted(point))) {
        if (!isMounted(point)) removeFolder(point);
        problems.set(name, { code: errorCode(error) ?? 'nodes.mount-failed', message: describeError(error) });
        continue;
      }
    }
    replaceLink(join(folders.mounts, name), join('points', name));
  }
  return { files, problems };
}

/** Lets go of all blobs but those of the layers. What is busy stays for the next time. */
export async function releaseBlobs(folders: StoreFolders, keep: readonly StoreLayer[]): Promise<void> {
  const names = new Set(keep.map(mountName));
  for (const entry of readdirSync(folders.mounts)) {
    if (entry !== 'points' && !names.has(entry)) rmSync(join(folders.mounts, entry), { force: true });
  }
  const points = lstatSync(folders.points, { throwIfNoEntry: false }) ? readdirSync(folders.points) : [];
  await unmountLayers(points.filter((name) => !names.has(name)).map((name) => join(folders.points, name)));
  const files = new Set(keep.map((layer) => `${hexOf(layer.blob)}.erofs`));
  for (const file of readdirSync(folders.blobs)) {
    if (!files.has(file)) rmSync(join(folders.blobs, file), { force: true });
  }
}

async function openMounts(folders: StoreFolders): Promise<void> {
  if (!isMountPoint(folders.mounts)) {
    const libc = await loadLibc();
    libc.mount('larder-podman', folders.mounts, 'tmpfs', MS_NOSUID | MS_NODEV | MS_NOEXEC, TMPFS_OPTIONS);
  }
  mkdirSync(folders.points, { recursive: true });
}

function isMounted(point: string): boolean {
  return lstatSync(point, { throwIfNoEntry: false }) !== undefined && isMountPoint(point);
}

function removeFolder(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Never made.
  }
}
