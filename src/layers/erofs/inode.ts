/**
 * Names, paths and link targets are bytes (Linux gives them no encoding), kept as latin1 strings: one character per byte,
 * so that `<` sorts them as EROFS wants and V8 stores them as one byte each.
 */
export type ByteString = string;

export type Xattr = { readonly name: ByteString; readonly value: Uint8Array };

/** One array for all that have none: most of a tree. */
export const NO_XATTRS: readonly Xattr[] = [];

export type InodeAttributes = {
  /** Permission bits with setuid, setgid and sticky: 12 bits, no type. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since 1970, rounded down, so that `mtimeNsec` is never negative. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly xattrs: readonly Xattr[];
};

/** Blocks of a file with holes: chunks not covered by a run read as zeros. Runs are in order and don't overlap. */
export type ChunkMap = {
  /** log2 of chunk / block. */
  readonly chunkBits: number;
  readonly runs: { firstChunk: number; count: number; firstBlock: number }[];
};

/** Of a file whose last, partial block lies behind its inode: the first of its other blocks, 0 without any, and the inode's slot. */
export type PackedData = { readonly firstBlock: number; readonly slot: number };

/** Of a file: the first of its consecutive blocks, or a map where it has holes. */
export type FileData = number | PackedData | ChunkMap;

/** What is put into a tree. */
export type Inode = InodeAttributes &
  (
    | { readonly kind: 'directory' }
    | { readonly kind: 'file'; readonly size: number; readonly data: FileData }
    | { readonly kind: 'symlink'; readonly target: ByteString }
    | { readonly kind: 'character' | 'block' | 'fifo'; readonly major: number; readonly minor: number }
  );
export type InodeKind = Inode['kind'];
