/**
 * A file system tree in memory. Names, paths and link targets are bytes (Linux gives them no encoding), kept as
 * latin1 strings: one character per byte, so that `<` sorts them as EROFS wants and V8 stores them as one byte each.
 */
export type ByteString = string;

export type Xattr = { readonly name: ByteString; readonly value: Uint8Array };

/** One array for all that have none: most of a tree. */
export const NO_XATTRS: readonly Xattr[] = [];

type Attributes = {
  /** Permission bits with setuid, setgid and sticky: 12 bits, no type. */
  mode: number;
  uid: number;
  gid: number;
  /** Whole seconds since 1970, rounded down, so that `mtimeNsec` is never negative. */
  mtimeSec: number;
  mtimeNsec: number;
  xattrs: readonly Xattr[];
  /** The writer's: the inode's number, −1 before it has a place. */
  nid: number;
  /** The writer's: how many names the inode has. */
  links: number;
};

/** The writer's: where the bytes of a directory or symlink lie. */
type Body = {
  /** Counted from the start of the body blocks; of no meaning when all lies behind the inode. */
  firstBlock: number;
  /** Whether the last, partial block lies behind the inode. */
  inlineTail: boolean;
};

export type Directory = Attributes &
  Body & {
    kind: 'directory';
    entries: Map<ByteString, Inode>;
    /** The writer's: bytes of the encoded entries. */
    size: number;
  };

/** Blocks of a file with holes: chunks not covered by a run read as zeros. Runs are in order and don't overlap. */
export type ChunkMap = {
  /** log2 of chunk / block. */
  chunkBits: number;
  runs: { firstChunk: number; count: number; firstBlock: number }[];
};

export type RegularFile = Attributes & {
  kind: 'file';
  size: number;
  /** The first of the file's consecutive blocks, or a map where it has holes. */
  data: number | ChunkMap;
};

export type Symlink = Attributes & Body & { kind: 'symlink'; target: ByteString };
export type SpecialFile = Attributes & { kind: 'character' | 'block' | 'fifo'; major: number; minor: number };

/** Two names for one inode are a hard link. */
export type Inode = Directory | RegularFile | Symlink | SpecialFile;

/** What a caller says about an inode; see {@link Inode}. */
export type InodeAttributes = Omit<Attributes, 'nid' | 'links'>;

export function newDirectory(attributes: InodeAttributes): Directory {
  return { kind: 'directory', ...base(attributes), entries: new Map(), size: 0, firstBlock: 0, inlineTail: false };
}

export function newFile(attributes: InodeAttributes, size: number, data: number | ChunkMap): RegularFile {
  return { kind: 'file', ...base(attributes), size, data };
}

export function newSymlink(attributes: InodeAttributes, target: ByteString): Symlink {
  return { kind: 'symlink', ...base(attributes), target, firstBlock: 0, inlineTail: false };
}

export function newSpecialFile(
  attributes: InodeAttributes,
  kind: SpecialFile['kind'],
  device: { major: number; minor: number },
): SpecialFile {
  return { kind, ...base(attributes), major: device.major, minor: device.minor };
}

function base({ mode, uid, gid, mtimeSec, mtimeNsec, xattrs }: InodeAttributes): Attributes {
  return { mode, uid, gid, mtimeSec, mtimeNsec, xattrs, nid: -1, links: 0 };
}
