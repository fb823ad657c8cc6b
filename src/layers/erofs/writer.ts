import { LarderError } from '../../lib/errors.ts';
import { createTurns } from '../../lib/turns.ts';
import { crc32c } from './crc32c.ts';
import { encodeDirents, nameBlocks } from './dirents.ts';
import { encodeInode, type Placed } from './encode-inode.ts';
import type { FileTree } from './file-tree.ts';
import * as format from './format.ts';
import type { ChunkMap } from './inode.ts';
import { chunkCount, chunkPadding, layOut, metadataBlocks } from './layout.ts';
import { type PackedArea, packedSections } from './packed-area.ts';
import { type Section, SectionBuffer } from './section.ts';

const { BLOCK_BYTES } = format;

/** Block addresses have 32 bits without the 48BIT feature, and the last one means a hole. */
const MAX_BLOCKS = 0xffff_ffff;

export type ErofsSummary = { blobBytes: number; contentBytes: number; inodes: number };

/**
 * The file system around data that is already in place: files' blocks lie before `startBlock`. Yields what is to be
 * written and where, block 0 with the superblock last, so that half a file is never a file system; the bytes of a section
 * are overwritten after the next is asked for. `packed` holds the tails of the files that have them behind their inodes.
 * Others of the thread get their turns meanwhile. The same tree gives the same bytes. A tree can be written once: it remembers
 * the places of its inodes.
 */
export async function* writeErofs(
  tree: FileTree,
  options: { startBlock: number; uuid: Uint8Array; volumeName?: string; packed: PackedArea },
): AsyncGenerator<Section, ErofsSummary> {
  const turns = createTurns();
  const layout = await layOut(tree, turns);
  const { packed } = options;
  const packedStart = options.startBlock + metadataBlocks(layout);
  const bodyStart = packedStart + layout.packedBlocks;
  const blocks = bodyStart + layout.bodyBlocks;
  if (blocks >= MAX_BLOCKS)
    throw new LarderError('erofs.unrepresentable', `${blocks} blocks are more than EROFS addresses`);

  const metadata = new SectionBuffer(options.startBlock * BLOCK_BYTES);
  const bodies = new SectionBuffer(bodyStart * BLOCK_BYTES);
  // What is appended is copied: a new buffer for each of 100,000 inodes is memory that is collected long after.
  const block = Buffer.alloc(BLOCK_BYTES);
  for (const id of layout.placed.subarray(0, layout.count)) {
    if (turns.isOver) await turns.next();
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
  metadata.skipTo(packedStart * BLOCK_BYTES);
  bodies.skipTo(blocks * BLOCK_BYTES);
  yield* metadata.takeAll();
  yield* packedSections(tree, packed, {
    start: packedStart * BLOCK_BYTES,
    blocks: layout.packedBlocks,
    bodyStart,
    turns,
  });
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
