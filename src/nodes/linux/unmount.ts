import { errorCode } from '../../lib/errors.ts';
import type { Libc } from '../../lib/libc.ts';
import { explainFailure } from './explain-failure.ts';

/** A name that is a symbolic link is not followed: nobody makes us unmount something else. */
const UMOUNT_NOFOLLOW = 8;

/** Takes off the uppermost mount at a path. Throws `nodes.busy` while a process uses it, `nodes.not-attached` where nothing is mounted. */
export function unmount(libc: Libc, mountPoint: string): void {
  try {
    libc.umount2(mountPoint, UMOUNT_NOFOLLOW);
  } catch (error) {
    throw explainFailure('unmount', mountPoint, error);
  }
}

/** The same where it may be in use, or gone: false then. */
export function tryUnmount(libc: Libc, mountPoint: string): boolean {
  try {
    libc.umount2(mountPoint, UMOUNT_NOFOLLOW);
    return true;
  } catch (error) {
    if (['EBUSY', 'EINVAL', 'ENOENT'].includes(errorCode(error) ?? '')) return false;
    throw explainFailure('unmount', mountPoint, error);
  }
}
