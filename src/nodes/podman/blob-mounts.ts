import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { hexOf } from '../../lib/digest.ts';
import { describeError, errorCode } from '../../lib/errors.ts';
import { holdBlob, isMountPoint, loadLibc, mountLayers, unmountLayers } from '../index.ts';
import type { StoreFolders } from './store-folders.ts';
import type { StoreLayer, StoreProblem } from './store-model.ts';

const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
/** Folders only; they take next to nothing. */
const TMPFS_OPTIONS = 'mode=0700,size=64m';
/** Folders of mounts that are being made or taken away; no mount has this name. */
const UNSEEN = 'new';
/** The mount point in a mount's folder. A folder with a mount point in it can be renamed, the mount point itself can't. */
const POINT = 'layer';

type BlobMount = Pick<StoreLayer, 'blob' | 'copy'>;

/** The folder name of a layer's mount. Layers in different chains share it, and with it the pages in memory. */
export function mountName(layer: BlobMount): string {
  return layer.copy === 0 ? hexOf(layer.blob) : `${hexOf(layer.blob)}-${layer.copy}`;
}

/** Where a layer's content is seen; the path exists only while it is mounted. */
export function contentPath(folders: StoreFolders, layer: BlobMount): string {
  return join(folders.mounts, mountName(layer), POINT);
}

export type MountBlobsOptions = { dataDirectory: string; signal?: AbortSignal | undefined };

/**
 * Holds and mounts the blobs of layers; the bytes of those that are mounted already are checked again. Answers the files they
 * are mounted from, by mount name, and for each that failed the reason: one bad blob is no reason to withhold the others.
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
    try {
      const file = await holdBlob({ dataDirectory, folder: folders.blobs, layer, signal });
      await mountBlob(folders, layer, file);
      files.set(mountName(layer), file);
    } catch (error) {
      signal?.throwIfAborted();
      // A mount outlives its file.
      if (errorCode(error) === 'nodes.layer-missing' && existsSync(contentPath(folders, layer))) continue;
      problems.set(mountName(layer), { code: errorCode(error) ?? 'nodes.mount-failed', message: describeError(error) });
    }
  }
  return { files, problems };
}

async function mountBlob(folders: StoreFolders, layer: StoreLayer, file: string): Promise<void> {
  const place = join(folders.mounts, mountName(layer));
  if (existsSync(place)) {
    if (isMountPoint(join(place, POINT))) return;
    // Somebody has unmounted it by hand.
    renameSync(place, unseen(folders, layer));
  }
  const folder = unseen(folders, layer);
  await mountLayers([{ name: POINT, file, digest: layer.blobDigest }], { directory: folder });
  renameSync(folder, place);
}

/** Lets go of all blobs but those of the layers. What is busy stays for the next time. */
export async function releaseBlobs(folders: StoreFolders, keep: readonly StoreLayer[]): Promise<void> {
  await openMounts(folders);
  const names = new Set([...keep.map(mountName), UNSEEN]);
  for (const name of readdirSync(folders.mounts)) {
    if (!names.has(name)) renameSync(join(folders.mounts, name), join(folders.mounts, UNSEEN, name));
  }
  for (const name of readdirSync(join(folders.mounts, UNSEEN))) await removeUnseen(folders, name);
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
  mkdirSync(join(folders.mounts, UNSEEN), { recursive: true });
}

function unseen(folders: StoreFolders, layer: BlobMount): string {
  return join(folders.mounts, UNSEEN, mountName(layer));
}

async function removeUnseen(folders: StoreFolders, name: string): Promise<void> {
  const folder = join(folders.mounts, UNSEEN, name);
  await unmountLayers([join(folder, POINT)]);
  try {
    rmdirSync(folder);
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY') throw error;
  }
}
