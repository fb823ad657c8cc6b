import { errorCode } from '../../lib/errors.ts';
import type { Libc } from '../../lib/libc.ts';

const O_CLOEXEC = 0o2000000n;
const O_NONBLOCK = 0o4000n;
/** Links and `..` end at the root given, as in a chroot. */
const RESOLVE_IN_ROOT = 0x10n;

/**
 * Opens a file of an image for reading, as a process inside it would find it: `root` is the descriptor of its root. Undefined
 * where there is none. The image is a stranger's: its links can't lead out, and a FIFO does not block.
 */
export function openInRoot(libc: Libc, root: number, path: string): number | undefined {
  const how = new BigUint64Array([O_CLOEXEC | O_NONBLOCK, 0n, RESOLVE_IN_ROOT]);
  try {
    return libc.openat2(root, path, new Uint8Array(how.buffer));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}
