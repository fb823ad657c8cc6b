import type { Libc } from '../../lib/libc.ts';

const CURRENT_FOLDER = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
/** In `tv_nsec`: leave the time of last access as it is. */
const UTIME_OMIT = (1n << 30n) - 2n;
const NS_PER_S = 1_000_000_000n;

/** Sets the time of last change to the nanosecond; Node.js takes floating-point seconds, which have no room for that. */
export function setMtime(libc: Libc, path: string, mtimeNs: bigint): void {
  const times = new BigInt64Array(4);
  times[1] = UTIME_OMIT;
  const nanoseconds = ((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
  times[2] = (mtimeNs - nanoseconds) / NS_PER_S;
  times[3] = nanoseconds;
  libc.utimensat(CURRENT_FOLDER, path, new Uint8Array(times.buffer), AT_SYMLINK_NOFOLLOW);
}
