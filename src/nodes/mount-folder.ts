import { mkdirSync } from 'node:fs';
import { isMountPoint } from './layer-mounts.ts';
import { explainFailure, loadLibc, tryUnmount } from './linux/index.ts';

const MS_NOATIME = 0x400;
const MS_PRIVATE = 0x40000;

/**
 * Puts a file system in memory over a folder (made where there is none), unless one is there. Mount points are made and removed
 * in it in microseconds, where a disk with a journal takes milliseconds; and it is private: mounts below it don't multiply
 * into the mount namespaces of services. Under a lock.
 */
export async function openMountFolder(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  if (isMountPoint(folder)) return;
  const libc = await loadLibc();
  try {
    libc.mount('larder', folder, 'tmpfs', MS_NOATIME, 'mode=0700');
    libc.mount('none', folder, '', MS_PRIVATE, '');
  } catch (error) {
    throw explainFailure('tmpfs', folder, error);
  }
}

/** Takes it off again, unless something is mounted below or used. */
export async function closeMountFolder(folder: string): Promise<void> {
  if (isMountPoint(folder)) tryUnmount(await loadLibc(), folder);
}
