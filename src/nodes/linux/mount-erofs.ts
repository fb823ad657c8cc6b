import { errorCode } from '../../lib/errors.ts';
import type { Libc } from '../../lib/libc.ts';
import { explainFailure } from './explain-failure.ts';
import { withLoopDevice } from './loop-device.ts';

const MS_RDONLY = 0x1;
const MS_NOATIME = 0x400;

/** What a layer's file is mounted on: `loop` leaves out the attempt to mount the file itself. */
export type Backing = 'auto' | 'loop';

/**
 * Mounts an EROFS file read-only at a directory. The kernel is asked for the file itself first (Linux 6.12); one that takes
 * only block devices says so at once, and gets a loop device, which goes with the mount.
 *
 * Not with the option `directio`: what is read is then in memory once and not also for the file below (1.5 instead of 3 GB after
 * all of a 1.5 GB image was read), but it is read without that file's read-ahead. Cold that takes 1.2 to 2 times as long, warm
 * the same, and the second copy is clean and the first to go when memory is wanted (bench/start/read-files.ts).
 */
export function mountErofs(libc: Libc, file: string, mountPoint: string, backing: Backing = 'auto'): void {
  if (backing === 'auto' && tryMount(libc, file, mountPoint) === 'mounted') return;
  withLoopDevice(libc, file, (device) => {
    if (tryMount(libc, device, mountPoint) === 'not-a-block-device')
      throw new TypeError(`${device} is no block device`);
  });
}

function tryMount(libc: Libc, source: string, mountPoint: string): 'mounted' | 'not-a-block-device' {
  try {
    libc.mount(source, mountPoint, 'erofs', MS_RDONLY | MS_NOATIME, '');
    return 'mounted';
  } catch (error) {
    if (errorCode(error) === 'ENOTBLK') return 'not-a-block-device';
    throw explainFailure('erofs', source, error);
  }
}
