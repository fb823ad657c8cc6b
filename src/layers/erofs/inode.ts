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
    /** The writer's: the number of the directory that holds it; of the root its own. */
    parentNid: number;
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

// Every field is written out: V8 keeps properties that come by a spread outside of the object, half as large again.

export function newDirectory({ mode, uid, gid, mtimeSec, mtimeNsec, xattrs }: InodeAttributes): Directory {
  const kind = 'directory';
  const entries = new Map<ByteString, Inode>();
  return {
    kind,
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs,
    nid: -1,
    links: 0,
    entries,
    size: 0,
    parentNid: -1,
    firstBlock: 0,
    inlineTail: false,
  };
}

export function newFile(attributes: InodeAttributes, size: number, data: number | ChunkMap): RegularFile {
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = attributes;
  return { kind: 'file', mode, uid, gid, mtimeSec, mtimeNsec, xattrs, nid: -1, links: 0, size, data };
}

export function newSymlink(attributes: InodeAttributes, target: ByteString): Symlink {
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = attributes;
  const kind = 'symlink';
  return {
    kind,
    mode,
    uid,
    gid,
    mtimeSec,
    mtimeNsec,
    xattrs,
    nid: -1,
    links: 0,
    target,
    firstBlock: 0,
    inlineTail: false,
  };
}

export function newSpecialFile(
  attributes: InodeAttributes,
  kind: SpecialFile['kind'],
  device: { major: number; minor: number },
): SpecialFile {
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = attributes;
  const { major, minor } = device;
  return { kind, mode, uid, gid, mtimeSec, mtimeNsec, xattrs, nid: -1, links: 0, major, minor };
}
