import { closeSync, openSync } from 'node:fs';
import { errorCode } from '../../lib/errors.ts';
import type { Libc } from '../../lib/libc.ts';
import { explainFailure } from './explain-failure.ts';

/** linux/loop.h */
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const READ_ONLY = 1;
const AUTOCLEAR = 4;
const DIRECT_IO = 16;
/** `struct loop_config`: fd, block size, `struct loop_info64`, and 64 bytes for later. */
const CONFIG_BYTES = 304;
const FLAGS_OFFSET = 8 + 52;
const NAME_OFFSET = 8 + 56;
const NAME_BYTES = 64;
/** Between the question for a free device and its set-up another program may take it. */
const MAX_ATTEMPTS = 64;

/**
 * Sets up a read-only loop device of a file and runs `use` with its path. The device clears itself once nobody has it open or
 * mounted: after the last unmount, or right away when `use` fails.
 */
export function withLoopDevice(libc: Libc, file: string, use: (device: string) => void): void {
  let device: number | undefined;
  try {
    const opened = openLoopDevice(libc, file);
    device = opened.fd;
    use(opened.path);
  } catch (error) {
    throw explainFailure('loop', file, error);
  } finally {
    if (device !== undefined) closeSync(device);
  }
}

function openLoopDevice(libc: Libc, file: string): { fd: number; path: string } {
  const backing = openSync(file, 'r');
  try {
    // Direct I/O: pages are kept once, by the file system on the device, not also for the file below.
    let flags = READ_ONLY | AUTOCLEAR | DIRECT_IO;
    for (let attempt = 1; ; attempt++) {
      const path = freeDevice(libc);
      const fd = openSync(path, 'r');
      try {
        libc.ioctl(fd, LOOP_CONFIGURE, loopConfig(backing, flags, file));
        return { fd, path };
      } catch (error) {
        closeSync(fd);
        const taken = errorCode(error) === 'EBUSY';
        const direct = (flags & DIRECT_IO) !== 0;
        if (errorCode(error) === 'EINVAL' && direct) flags &= ~DIRECT_IO;
        else if (!taken || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  } finally {
    closeSync(backing);
  }
}

function freeDevice(libc: Libc): string {
  const control = openSync('/dev/loop-control', 'r+');
  try {
    return `/dev/loop${libc.ioctl(control, LOOP_CTL_GET_FREE, 0)}`;
  } finally {
    closeSync(control);
  }
}

function loopConfig(backing: number, flags: number, file: string): Uint8Array {
  const config = Buffer.alloc(CONFIG_BYTES);
  // In the machine's byte order; all that Node.js runs on is little-endian but s390x, where koffi does not exist.
  config.writeUInt32LE(backing, 0);
  config.writeUInt32LE(flags, FLAGS_OFFSET);
  // For losetup(8) to show; the kernel keeps 63 bytes.
  Buffer.from(file).copy(config, NAME_OFFSET, 0, NAME_BYTES - 1);
  return config;
}
