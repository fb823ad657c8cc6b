/**
 * Constants of the EROFS on-disk format, as in Linux `fs/erofs/erofs_fs.h`. All numbers on disk are little-endian.
 * Only what Larder writes and reads: 4 KiB blocks, extended inodes, uncompressed data.
 */
export const BLOCK_BITS = 12;
export const BLOCK_BYTES = 1 << BLOCK_BITS;

/** Room before the superblock, left to boot sectors. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 128;
export const SUPERBLOCK_MAGIC = 0xe0f5e1e2;

export const COMPAT_CHECKSUM = 0x1;
/** The inodes' time is the mtime (and not the ctime, as in the first images). */
export const COMPAT_MTIME = 0x2;
export const INCOMPAT_CHUNKED_FILE = 0x4;

/**
 * Volume name of a layer blob whose tar doesn't name the root directory: what its root shows is no one's choice, and the
 * root of a layer below counts. At most 16 bytes.
 */
export const IMPLICIT_ROOT = 'implicit-root';

/** An inode's number (nid) counts slots of this size from the start of the metadata area. */
export const SLOT_BYTES = 32;
export const INODE_BYTES = 64;
/** `i_format`, bit 0: 64-byte inodes. */
export const FORMAT_EXTENDED = 1;
/** `i_format`, bits 1–3. */
export const LAYOUT = { plain: 0, inlineTail: 2, chunkBased: 4 } as const;
export type Layout = (typeof LAYOUT)[keyof typeof LAYOUT];

/** `i_u.c.format` of a chunk-based file: 8-byte index entries; the low five bits are log2(chunk / block). */
export const CHUNK_INDEXES = 0x20;
export const CHUNK_BITS_MASK = 0x1f;
export const CHUNK_INDEX_BYTES = 8;
/** Block address of a chunk that is a hole. */
export const NULL_ADDRESS = 0xffffffff;

export const XATTR_HEADER_BYTES = 12;
export const XATTR_ENTRY_BYTES = 4;
export const XATTR_MAX_NAME_BYTES = 255;
export const XATTR_MAX_VALUE_BYTES = 65_535;

/** Prefix of an extended attribute's name → `e_name_index`. The ACLs are whole names. */
export const XATTR_PREFIXES: readonly (readonly [prefix: string, index: number])[] = [
  ['user.', 1],
  ['system.posix_acl_access', 2],
  ['system.posix_acl_default', 3],
  ['trusted.', 4],
  ['security.', 6],
];

export const DIRENT_BYTES = 12;
export const NAME_MAX_BYTES = 255;

/** Type bits of a mode (`S_IFMT` and so on). */
export const TYPE_MASK = 0o170000;
export const TYPE_BITS = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
} as const;

/** `file_type` of a directory entry (`EROFS_FT_*`, the same numbers as ext4's). */
export const DIRENT_TYPE = { file: 1, directory: 2, character: 3, block: 4, fifo: 5, symlink: 7 } as const;
