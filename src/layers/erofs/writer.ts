import { LarderError } from '../../lib/errors.ts';
import { crc32c } from './crc32c.ts';
import { encodeDirents, nameBlocks } from './dirents.ts';
import type { FileTree, InodeId } from './file-tree.ts';
import * as format from './format.ts';
import type { ChunkMap } from './inode.ts';
import { chunkCount, chunkPadding, layOut } from './layout.ts';
import { xattrCount } from './xattr-area.ts';

const { BLOCK_BYTES, LAYOUT } = format;

/** Sections are yielded in pieces of this size: the writer's whole memory beside the tree. */
const SECTION_BYTES = 1 << 20;
/** Block addresses have 32 bits without the 48BIT feature, and the last one means a hole. */
const MAX_BLOCKS = 0xffff_ffff;

export type Section = { position: number; bytes: Buffer<ArrayBuffer> };
type Placed = { tree: FileTree; id: InodeId };
export type ErofsSummary = { blobBytes: number; contentBytes: number; inodes: number };

/**
 * The file system around data that is already in place: files' blocks lie before `startBlock`. Yields what is to be
 * written and where, block 0 with the superblock last, so that half a file is never a file system; the bytes of a section
 * are overwritten after the next is asked for.
 * The same tree gives the same bytes. A tree can be written once: it remembers the places of its inodes.
 */
export function* writeErofs(
  tree: FileTree,
  options: { startBlock: number; uuid: Uint8Array; volumeName?: string },
): Generator<Section, ErofsSummary> {
  const layout = layOut(tree);
  const metadataBlocks = Math.ceil(layout.metadataBytes / BLOCK_BYTES);
  const bodyStart = options.startBlock + metadataBlocks;
  const blocks = bodyStart + layout.bodyBlocks;
  if (blocks >= MAX_BLOCKS)
    throw new LarderError('erofs.unrepresentable', `${blocks} blocks are more than EROFS addresses`);

  const metadata = new SectionBuffer(options.startBlock * BLOCK_BYTES);
  const bodies = new SectionBuffer(bodyStart * BLOCK_BYTES);
  // What is appended is copied: a new buffer for each of 100,000 inodes is memory that is collected long after.
  const block = Buffer.alloc(BLOCK_BYTES);
  for (const id of layout.placed.subarray(0, layout.inodes)) {
    const inode: Placed = { tree, id };
    metadata.skipTo(options.startBlock * BLOCK_BYTES + tree.nid.get(id) * format.SLOT_BYTES);
    metadata.append(encodeInode(block, inode, bodyStart));
    metadata.append(tree.xattrArea(id));
    const kind = tree.kindOf(id);
    const map = tree.chunkMaps.get(id);
    if (kind === 'directory') appendDirectory(inode, { block, metadata, bodies });
    else if (kind === 'symlink') appendSymlink(inode, metadata, bodies);
    else if (map) appendChunks(inode, map, metadata);
    yield* metadata.takeFull();
    yield* bodies.takeFull();
  }
  metadata.skipTo(bodyStart * BLOCK_BYTES);
  bodies.skipTo(blocks * BLOCK_BYTES);
  yield* metadata.takeAll();
  yield* bodies.takeAll();
  yield { position: 0, bytes: encodeSuperblock({ ...options, blocks, layout, rootNid: tree.nid.get(tree.root) }) };
  return { blobBytes: blocks * BLOCK_BYTES, contentBytes: layout.contentBytes, inodes: layout.inodes };
}

function encodeSuperblock(options: {
  startBlock: number;
  uuid: Uint8Array;
  volumeName?: string;
  blocks: number;
  rootNid: number;
  layout: { hasChunks: boolean; inodes: number };
}): Buffer<ArrayBuffer> {
  const block = Buffer.alloc(BLOCK_BYTES);
  const superblock = block.subarray(format.SUPERBLOCK_OFFSET);
  superblock.writeUInt32LE(format.SUPERBLOCK_MAGIC, 0);
  superblock.writeUInt32LE(format.COMPAT_CHECKSUM | format.COMPAT_MTIME, 8);
  superblock[12] = format.BLOCK_BITS;
  superblock.writeUInt16LE(options.rootNid, 14);
  superblock.writeUInt32LE(options.layout.inodes, 16);
  superblock.writeUInt32LE(options.blocks, 36);
  superblock.writeUInt32LE(options.startBlock, 40);
  superblock.set(options.uuid.subarray(0, 16), 48);
  superblock.write(options.volumeName ?? '', 64, 16, 'latin1');
  superblock.writeUInt32LE(options.layout.hasChunks ? format.INCOMPAT_CHUNKED_FILE : 0, 80);
  // Over the rest of block 0, with its own field as zero (fs/erofs/super.c, erofs_superblock_csum_verify).
  superblock.writeUInt32LE(crc32c(superblock), 4);
  return block;
}

/** The inode's bytes, at the start of a block that is used again. */
function encodeInode(block: Buffer, inode: Placed, bodyStart: number): Buffer {
  const { tree, id } = inode;
  const { layout, size, union } = describeBody(inode, bodyStart);
  const bytes = block.subarray(0, format.INODE_BYTES).fill(0);
  bytes.writeUInt16LE(format.FORMAT_EXTENDED | (layout << 1), 0);
  bytes.writeUInt16LE(xattrCount(tree.xattrArea(id).length), 2);
  bytes.writeUInt16LE(format.TYPE_BITS[tree.kindOf(id)] | tree.mode.get(id), 4);
  writeUint64(bytes, size, 8);
  bytes.writeUInt32LE(union, 16);
  // i_ino serves 32-bit stat only; the number is as unique as anything.
  bytes.writeUInt32LE(tree.nid.get(id), 20);
  bytes.writeUInt32LE(tree.uid.get(id), 24);
  bytes.writeUInt32LE(tree.gid.get(id), 28);
  writeUint64(bytes, tree.mtimeSec.get(id), 32);
  bytes.writeUInt32LE(tree.mtimeNsec.get(id), 40);
  bytes.writeUInt32LE(tree.links.get(id), 44);
  return bytes;
}

/** A 64-bit number in two's complement; exact up to ±2^53, and much faster than a BigInt. */
function writeUint64(target: Buffer, value: number, offset: number): void {
  target.writeUInt32LE(value - Math.floor(value / 2 ** 32) * 2 ** 32, offset);
  target.writeInt32LE(Math.floor(value / 2 ** 32), offset + 4);
}

/** Layout, `i_size` and `i_u`. */
function describeBody({ tree, id }: Placed, bodyStart: number): { layout: format.Layout; size: number; union: number } {
  const size = tree.size.get(id);
  const firstBlock = tree.firstBlock.get(id);
  switch (tree.kindOf(id)) {
    case 'directory':
    case 'symlink': {
      const isInline = tree.inlineTail.get(id) === 1;
      const union = size >= BLOCK_BYTES || !isInline ? bodyStart + firstBlock : 0;
      return { layout: isInline ? LAYOUT.inlineTail : LAYOUT.plain, size, union };
    }
    case 'file': {
      const map = tree.chunkMaps.get(id);
      if (!map) return { layout: LAYOUT.plain, size, union: firstBlock };
      return { layout: LAYOUT.chunkBased, size, union: format.CHUNK_INDEXES | map.chunkBits };
    }
    case 'character':
    case 'block':
    case 'fifo':
      break;
  }
  return { layout: LAYOUT.plain, size: 0, union: encodeDevice(tree.major.get(id), tree.minor.get(id)) };
}

/** The kernel's `new_encode_dev` (include/linux/kdev_t.h): 12 bits of major, 20 of minor. */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

function appendDirectory(
  { tree, id }: Placed,
  { block, metadata, bodies }: { block: Buffer; metadata: SectionBuffer; bodies: SectionBuffer },
): void {
  let restBytes = tree.size.get(id);
  for (const names of nameBlocks(tree, id)) {
    encodeDirents(block.fill(0), names, { tree, directory: id });
    const isTail = restBytes <= BLOCK_BYTES;
    if (isTail && tree.inlineTail.get(id) === 1) metadata.append(block.subarray(0, restBytes));
    else bodies.append(block);
    restBytes -= BLOCK_BYTES;
  }
}

function appendSymlink({ tree, id }: Placed, metadata: SectionBuffer, bodies: SectionBuffer): void {
  const target = tree.target(id);
  if (tree.inlineTail.get(id) === 1) metadata.append(target);
  else bodies.append(Buffer.concat([target], BLOCK_BYTES));
}

function appendChunks({ tree, id }: Placed, map: ChunkMap, metadata: SectionBuffer): void {
  metadata.append(Buffer.alloc(chunkPadding(format.INODE_BYTES + tree.xattrArea(id).length)));
  let next = 0;
  const append = (count: number, addressOf: (index: number) => number) => {
    const indexes = Buffer.alloc(count * format.CHUNK_INDEX_BYTES);
    for (let index = 0; index < count; index++) {
      indexes.writeUInt32LE(addressOf(index), index * format.CHUNK_INDEX_BYTES + 4);
    }
    metadata.append(indexes);
    next += count;
  };
  for (const { firstChunk, count, firstBlock } of map.runs) {
    append(firstChunk - next, () => format.NULL_ADDRESS);
    append(count, (index) => firstBlock + index * 2 ** map.chunkBits);
  }
  append(chunkCount(tree, id) - next, () => format.NULL_ADDRESS);
}

/** Bytes for consecutive positions, gathered into sections. What was yielded is used again once the next is asked for. */
class SectionBuffer {
  #start: number;
  #bytes = Buffer.alloc(SECTION_BYTES);
  #used = 0;
  readonly #full: Section[] = [];
  readonly #free: Buffer<ArrayBuffer>[] = [];

  constructor(position: number) {
    this.#start = position;
  }

  append(bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length; ) {
      const copied = bytes.copy(this.#bytes, this.#used, offset);
      this.#advance(copied);
      offset += copied;
    }
  }

  /** Zeros up to a position at or after the present one. */
  skipTo(position: number): void {
    for (let gap = position - this.#start - this.#used; gap > 0; gap = position - this.#start - this.#used) {
      this.#advance(Math.min(gap, SECTION_BYTES - this.#used));
    }
  }

  *takeFull(): Generator<Section> {
    for (let section = this.#full.shift(); section; section = this.#full.shift()) {
      yield section;
      this.#free.push(section.bytes);
    }
  }

  *takeAll(): Generator<Section> {
    yield* this.takeFull();
    if (this.#used > 0) yield { position: this.#start, bytes: this.#bytes.subarray(0, this.#used) };
    this.#start += this.#used;
    this.#used = 0;
  }

  #advance(count: number): void {
    this.#used += count;
    if (this.#used < SECTION_BYTES) return;
    this.#full.push({ position: this.#start, bytes: this.#bytes });
    this.#start += SECTION_BYTES;
    this.#bytes = this.#free.pop()?.fill(0) ?? Buffer.alloc(SECTION_BYTES);
    this.#used = 0;
  }
}
