import { LarderError } from '../../lib/errors.ts';
import { crc32c } from './crc32c.ts';
import * as format from './format.ts';
import type { ByteString, Xattr } from './inode.ts';

const { BLOCK_BYTES, LAYOUT } = format;
const KINDS = ['fifo', 'character', 'directory', 'block', 'file', 'symlink'] as const;
const NS_MAX = 999_999_999;
/** A symlink's target and an inode's xattrs are read whole; more than this is no image of ours. */
const MAX_TARGET_BYTES = 4096;
/** Directory blocks kept to be looked at again: what bisecting the largest directories takes. */
const KEPT_BLOCKS = 64;

/** Reads exactly `length` bytes at `position`; rejects when the file is shorter. */
export type ReadAt = (position: number, length: number) => Promise<Uint8Array>;

export type ErofsFile = {
  nid: number;
  kind: (typeof KINDS)[number];
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  mtimeSec: number;
  mtimeNsec: number;
  links: number;
  size: number;
  /** Of devices; else 0. */
  major: number;
  minor: number;
  xattrs: readonly Xattr[];
  /** Where the contents lie: consecutive pieces of the file; `position` is undefined for a hole. */
  extents(): AsyncIterable<{ position: number | undefined; length: number }>;
};

export type ErofsReader = {
  blobBytes: number;
  inodes: number;
  uuid: Uint8Array;
  /** {@link IMPLICIT_ROOT}, or empty. */
  volumeName: string;
  root: ErofsFile;
  inode(nid: number): Promise<ErofsFile>;
  /** The entries in the order on disk, without `.` and `..`. */
  list(directory: ErofsFile): AsyncIterable<{ name: ByteString; nid: number }>;
  /** The number of the inode with this name in a directory, by bisection as the kernel does it; undefined where there is none. */
  find(directory: ErofsFile, name: ByteString): Promise<number | undefined>;
  readTarget(symlink: ErofsFile): Promise<ByteString>;
  /** The bytes of a regular file in pieces of at most 1 MiB, zeros for holes. */
  read(file: ErofsFile): AsyncIterable<Uint8Array>;
};

/** The volume name of any EROFS file, from its first {@link HEAD_BYTES} bytes. Throws `erofs.corrupt`. */
export function volumeNameOf(head: Uint8Array): string {
  const superblock = Buffer.from(head.subarray(format.SUPERBLOCK_OFFSET));
  if (superblock.length < format.SUPERBLOCK_BYTES || superblock.readUInt32LE(0) !== format.SUPERBLOCK_MAGIC)
    throw corrupt('no EROFS superblock');
  return decodeVolumeName(superblock);
}

export const HEAD_BYTES = format.SUPERBLOCK_OFFSET + format.SUPERBLOCK_BYTES;

function decodeVolumeName(superblock: Buffer): string {
  return superblock.toString('latin1', 64, 80).replace(/\0+$/, '');
}

/**
 * Opens a layer blob: uncompressed EROFS with 4 KiB blocks, as {@link writeErofs} writes it; no device table.
 * Throws `erofs.corrupt` for anything else, here and in all its functions.
 */
export async function openErofs(readAt: ReadAt): Promise<ErofsReader> {
  const superblock = Buffer.from(await readAt(format.SUPERBLOCK_OFFSET, BLOCK_BYTES - format.SUPERBLOCK_OFFSET));
  if (superblock.readUInt32LE(0) !== format.SUPERBLOCK_MAGIC) throw corrupt('no EROFS superblock');
  const checksum = superblock.readUInt32LE(4);
  const incompat = superblock.readUInt32LE(80) & ~format.INCOMPAT_CHUNKED_FILE;
  if (superblock[12] !== format.BLOCK_BITS || incompat !== 0) throw corrupt('features that no layer blob has');
  superblock.writeUInt32LE(0, 4);
  if (crc32c(superblock) !== checksum) throw corrupt('the superblock fails its checksum');

  const blobBytes = superblock.readUInt32LE(36) * BLOCK_BYTES;
  const metadataStart = superblock.readUInt32LE(40) * BLOCK_BYTES;
  async function readInside(position: number, length: number): Promise<Buffer> {
    if (position + length > blobBytes) throw corrupt(`${length} bytes at ${position} lie beyond the end`);
    const bytes = await readAt(position, length);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async function inode(nid: number): Promise<ErofsFile> {
    const start = metadataStart + nid * format.SLOT_BYTES;
    const bytes = await readInside(start, format.INODE_BYTES);
    const { layout, union, xattrBytes, ...file } = decodeInode(bytes, nid);
    const bodyStart = start + format.INODE_BYTES + xattrBytes;
    const xattrs = xattrBytes > 0 ? decodeXattrs(await readInside(start + format.INODE_BYTES, xattrBytes)) : [];
    const extents = () => locate({ size: file.size, layout, union, bodyStart }, readInside);
    return { ...file, xattrs, extents };
  }

  async function* list(directory: ErofsFile): AsyncIterable<{ name: ByteString; nid: number }> {
    if (directory.kind !== 'directory') throw corrupt(`inode ${directory.nid} is no directory`);
    for await (const { position, length } of directory.extents()) {
      if (position === undefined) throw corrupt('a directory with a hole');
      for (let offset = 0; offset < length; offset += BLOCK_BYTES) {
        yield* decodeDirents(await readInside(position + offset, Math.min(BLOCK_BYTES, length - offset)));
      }
    }
  }

  const kept = new Map<number, Buffer>();

  /** A block of a directory; those asked for last are kept. */
  async function readBlock(position: number, length: number): Promise<Buffer> {
    const block = kept.get(position) ?? (await readInside(position, length));
    kept.delete(position);
    kept.set(position, block);
    if (kept.size > KEPT_BLOCKS) for (const oldest of kept.keys()) if (kept.delete(oldest)) break;
    return block;
  }

  async function find(directory: ErofsFile, name: ByteString): Promise<number | undefined> {
    if (directory.kind !== 'directory') throw corrupt(`inode ${directory.nid} is no directory`);
    if (name === '.' || name === '..') return undefined;
    const blocks: { position: number; length: number }[] = [];
    for await (const { position, length } of directory.extents()) {
      if (position === undefined) throw corrupt('a directory with a hole');
      for (let offset = 0; offset < length; offset += BLOCK_BYTES) {
        blocks.push({ position: position + offset, length: Math.min(BLOCK_BYTES, length - offset) });
      }
    }
    // The last block that begins with this name or one before it.
    let block: Buffer | undefined;
    for (let [low, high] = [0, blocks.length]; low < high; ) {
      const middle = (low + high) >> 1;
      const { position = 0, length = 0 } = blocks[middle] ?? {};
      const candidate = await readBlock(position, length);
      if (direntAt(candidate, 0, direntCount(candidate)).name > name) {
        high = middle;
      } else {
        block = candidate;
        low = middle + 1;
      }
    }
    return block && findInBlock(block, name);
  }

  async function* read(file: ErofsFile): AsyncIterable<Uint8Array> {
    const pieceBytes = 1 << 20;
    for await (const { position, length } of file.extents()) {
      for (let offset = 0; offset < length; offset += pieceBytes) {
        const bytes = Math.min(pieceBytes, length - offset);
        yield position === undefined ? Buffer.alloc(bytes) : await readInside(position + offset, bytes);
      }
    }
  }

  async function readTarget(symlink: ErofsFile): Promise<ByteString> {
    if (symlink.kind !== 'symlink' || symlink.size > MAX_TARGET_BYTES)
      throw corrupt(`inode ${symlink.nid} is no symlink`);
    const pieces: Uint8Array[] = [];
    for await (const piece of read(symlink)) pieces.push(piece);
    return Buffer.concat(pieces).toString('latin1');
  }

  const root = await inode(superblock.readUInt16LE(14));
  return {
    blobBytes,
    inodes: superblock.readUInt32LE(16),
    uuid: superblock.subarray(48, 64),
    volumeName: decodeVolumeName(superblock),
    root,
    inode,
    list,
    find,
    readTarget,
    read,
  };
}

type DecodedInode = Omit<ErofsFile, 'xattrs' | 'extents'> & { layout: number; union: number; xattrBytes: number };

function decodeInode(bytes: Buffer, nid: number): DecodedInode {
  const iFormat = bytes.readUInt16LE(0);
  const layout = iFormat >> 1;
  if ((iFormat & 1) !== format.FORMAT_EXTENDED || !Object.values(LAYOUT).some((known) => known === layout)) {
    throw corrupt(`inode ${nid} has the unknown format ${iFormat}`);
  }
  const iMode = bytes.readUInt16LE(4);
  const type = KINDS.find((kind) => format.TYPE_BITS[kind] === (iMode & format.TYPE_MASK));
  const size = Number(bytes.readBigUInt64LE(8));
  const mtimeNsec = bytes.readUInt32LE(40);
  if (!type || !Number.isSafeInteger(size) || mtimeNsec > NS_MAX) throw corrupt(`inode ${nid} makes no sense`);
  const kind = type;
  const union = bytes.readUInt32LE(16);
  const isDevice = kind === 'character' || kind === 'block';
  const xattrCount = bytes.readUInt16LE(2);
  return {
    nid,
    kind,
    mode: iMode & ~format.TYPE_MASK,
    uid: bytes.readUInt32LE(24),
    gid: bytes.readUInt32LE(28),
    mtimeSec: Number(bytes.readBigInt64LE(32)),
    mtimeNsec,
    links: bytes.readUInt32LE(44),
    size,
    major: isDevice ? (union >>> 8) & 0xfff : 0,
    minor: isDevice ? ((union & 0xff) | ((union >>> 12) & ~0xff)) >>> 0 : 0,
    layout,
    union,
    xattrBytes: xattrCount === 0 ? 0 : format.XATTR_HEADER_BYTES + (xattrCount - 1) * 4,
  };
}

function decodeXattrs(area: Buffer): Xattr[] {
  const xattrs: Xattr[] = [];
  if ((area[4] ?? 0) !== 0) throw corrupt('shared extended attributes');
  for (let offset = format.XATTR_HEADER_BYTES; offset < area.length; ) {
    const nameBytes = area[offset] ?? 0;
    const prefix = format.XATTR_PREFIXES.find(([, index]) => index === area[offset + 1]);
    const valueStart = offset + format.XATTR_ENTRY_BYTES + nameBytes;
    if (!prefix || valueStart > area.length) throw corrupt('a broken extended attribute');
    const end = valueStart + area.readUInt16LE(offset + 2);
    if (end > area.length) throw corrupt('a broken extended attribute');
    const suffix = area.toString('latin1', offset + format.XATTR_ENTRY_BYTES, valueStart);
    xattrs.push({ name: prefix[0] + suffix, value: area.subarray(valueStart, end) });
    offset = (end + 3) & ~3;
  }
  return xattrs;
}

function* decodeDirents(block: Buffer): Iterable<{ name: ByteString; nid: number }> {
  const count = direntCount(block);
  for (let index = 0; index < count; index++) {
    const entry = direntAt(block, index, count);
    if (entry.name !== '.' && entry.name !== '..') yield entry;
  }
}

function findInBlock(block: Buffer, name: ByteString): number | undefined {
  const count = direntCount(block);
  for (let [low, high] = [0, count]; low < high; ) {
    const middle = (low + high) >> 1;
    const entry = direntAt(block, middle, count);
    if (entry.name === name) return entry.nid;
    if (entry.name < name) low = middle + 1;
    else high = middle;
  }
  return undefined;
}

function direntCount(block: Buffer): number {
  const count = block.length < format.DIRENT_BYTES ? 0 : block.readUInt16LE(8) / format.DIRENT_BYTES;
  if (count < 1 || !Number.isInteger(count) || count * format.DIRENT_BYTES > block.length) {
    throw corrupt('a broken directory block');
  }
  return count;
}

function direntAt(block: Buffer, index: number, count: number): { name: ByteString; nid: number } {
  const entry = index * format.DIRENT_BYTES;
  const start = block.readUInt16LE(entry + 8);
  const next = index + 1 < count ? block.readUInt16LE(entry + format.DIRENT_BYTES + 8) : block.length;
  if (start > next || next > block.length) throw corrupt('a broken directory block');
  const padded = block.toString('latin1', start, next);
  const end = index + 1 < count ? -1 : padded.indexOf('\0');
  return { name: end < 0 ? padded : padded.slice(0, end), nid: Number(block.readBigUInt64LE(entry)) };
}

type Body = { size: number; layout: number; union: number; bodyStart: number };
type Extent = { position: number | undefined; length: number };

async function* locate(body: Body, read: (position: number, length: number) => Promise<Buffer>): AsyncIterable<Extent> {
  const { size, layout, union, bodyStart } = body;
  if (size === 0) return;
  if (layout === LAYOUT.plain) {
    yield { position: union * BLOCK_BYTES, length: size };
    return;
  }
  if (layout === LAYOUT.inlineTail) {
    const tail = size % BLOCK_BYTES;
    if (size > tail) yield { position: union * BLOCK_BYTES, length: size - tail };
    if (tail > 0) yield { position: bodyStart, length: tail };
    return;
  }
  const chunkBytes = BLOCK_BYTES * 2 ** (union & format.CHUNK_BITS_MASK);
  const count = Math.ceil(size / chunkBytes);
  const start = bodyStart + (-bodyStart & (format.CHUNK_INDEX_BYTES - 1));
  let open: Extent | undefined;
  for (let chunk = 0; chunk < count; ) {
    const batch = Math.min(count - chunk, 8192);
    const indexes = await read(start + chunk * format.CHUNK_INDEX_BYTES, batch * format.CHUNK_INDEX_BYTES);
    for (let index = 0; index < batch; index++, chunk++) {
      const address = indexes.readUInt32LE(index * format.CHUNK_INDEX_BYTES + 4);
      const position = address === format.NULL_ADDRESS ? undefined : address * BLOCK_BYTES;
      const length = Math.min(chunkBytes, size - chunk * chunkBytes);
      if (open && open.position === (position === undefined ? undefined : position - open.length)) {
        open.length += length;
      } else {
        if (open) yield open;
        open = { position, length };
      }
    }
  }
  if (open) yield open;
}

function corrupt(what: string): LarderError {
  return new LarderError('erofs.corrupt', `not a sound layer blob: ${what}`);
}
