import type { Libc } from '../../lib/libc.ts';

/** Of the files that layers are: what the kernel reads of them are such blocks, into pages. */
const BLOCK_BYTES = 4096;
/** include/uapi/linux/stat.h. */
const STATX_DIOALIGN = 0x2000;
const STATX_BYTES = 256;
const [MASK_OFFSET, MEMORY_ALIGN_OFFSET, OFFSET_ALIGN_OFFSET] = [0, 152, 156];
/** `AT_FDCWD`: a path is what it says. */
const CURRENT_FOLDER = -100;

/**
 * Whether blocks of a file can be read past the page cache. The file system must say so (statx, Linux 6.1): some disks take
 * larger sectors only, and a read that is refused is an I/O error to whoever reads the mounted file.
 */
export function canReadDirectly(libc: Libc, file: string): boolean {
  const statx = Buffer.alloc(STATX_BYTES);
  try {
    libc.statx(CURRENT_FOLDER, file, 0, STATX_DIOALIGN, statx);
  } catch {
    // Mounting will tell what is wrong with the file.
    return false;
  }
  const isTold = (statx.readUInt32LE(MASK_OFFSET) & STATX_DIOALIGN) !== 0;
  const alignments = [statx.readUInt32LE(MEMORY_ALIGN_OFFSET), statx.readUInt32LE(OFFSET_ALIGN_OFFSET)];
  return isTold && alignments.every((bytes) => bytes > 0 && bytes <= BLOCK_BYTES);
}
