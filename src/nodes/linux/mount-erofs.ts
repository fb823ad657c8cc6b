import { errorCode } from '../../lib/errors.ts';
import type { Libc } from '../../lib/libc.ts';
import { canReadDirectly } from './direct-io.ts';
import { explainFailure } from './explain-failure.ts';
import { withLoopDevice } from './loop-device.ts';

const MS_RDONLY = 0x1;
const MS_NOATIME = 0x400;
/**
 * Reads of the mounted file go past the page cache of the file below (fs/erofs/fileio.c). Else what is read is in memory twice:
 * 2.8 instead of 1.5 GB after all of a 1.5 GB image was read, which took 1.1 to 1.5 times as long as from an overlay on the
 * disk, and takes 0.8 to 0.9 times as long with this (bench/start/read-files.ts). The kernel's own default is for images that
 * were just downloaded through the page cache; a blob never lies there (blobs/direct-write.ts).
 */
const DIRECT = 'directio';

/** What a layer's file is mounted on: `loop` leaves out the attempt to mount the file itself. */
export type Backing = 'auto' | 'loop';

/**
 * Mounts an EROFS file read-only at a directory. The kernel is asked for the file itself first (Linux 6.12); one that takes
 * only block devices says so at once, and gets a loop device, which goes with the mount.
 */
export function mountErofs(libc: Libc, file: string, mountPoint: string, backing: Backing = 'auto'): void {
  if (backing === 'auto' && mountFile(libc, file, mountPoint)) return;
  withLoopDevice(libc, file, (device) => {
    try {
      mount(libc, device, mountPoint);
    } catch (error) {
      throw explainFailure('erofs', device, error);
    }
  });
}

/** False where the kernel takes only block devices. */
function mountFile(libc: Libc, file: string, mountPoint: string): boolean {
  for (const options of canReadDirectly(libc, file) ? [DIRECT, ''] : ['']) {
    try {
      mount(libc, file, mountPoint, options);
      return true;
    } catch (error) {
      const code = errorCode(error);
      if (code === 'ENOTBLK') return false;
      // The answer to an option that the kernel doesn't know, and to much else, which it will give again.
      if (options === '' || code !== 'EINVAL') throw explainFailure('erofs', file, error);
    }
  }
  return false;
}

function mount(libc: Libc, source: string, mountPoint: string, options = ''): void {
  libc.mount(source, mountPoint, 'erofs', MS_RDONLY | MS_NOATIME, options);
}
