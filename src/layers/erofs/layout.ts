import { LarderError } from '../../lib/errors.ts';
import type { Turns } from '../../lib/turns.ts';
import { blockBytes, nameBlocks } from './dirents.ts';
import type { FileTree, InodeId } from './file-tree.ts';
import { BLOCK_BYTES, CHUNK_INDEX_BYTES, INODE_BYTES, SLOT_BYTES } from './format.ts';
import { BLOCK_SLOTS } from './slot-allocator.ts';

/** Of an inode, in 32 bits of a directory entry; the format has 64. */
const MAX_NID = 0xffff_ffff;

/** Where everything goes: the first pass over a tree. */
export type TreeLayout = {
  /** Inodes without a place, each once, by rising number: the first `count` of these. The packed ones follow behind them. */
  placed: Uint32Array;
  count: number;
  /** All of them. */
  inodes: number;
  metadataBytes: number;
  /** Of the packed inodes, up to the last that has a name: a file must not end with blocks of zeros, which nobody writes. */
  packedBlocks: number;
  /** Blocks of directories and symlinks that don't lie behind their inodes. */
  bodyBlocks: number;
  hasChunks: boolean;
  /** Sum of the sizes of regular files, hard links once. */
  contentBytes: number;
};

/**
 * Gives every inode its number, and every directory its size and, counted from 0, its first block.
 * Root first, for its number must fit 16 bits; then directory by directory, so that `ls -l` reads consecutive inodes; then the
 * area of packed inodes, which have their slots already.
 */
export async function layOut(tree: FileTree, turns: Turns): Promise<TreeLayout> {
  const { root, links } = tree;
  const layout: TreeLayout = {
    placed: new Uint32Array(tree.count),
    count: 0,
    inodes: 0,
    metadataBytes: 0,
    packedBlocks: 0,
    bodyBlocks: 0,
    hasChunks: false,
    contentBytes: 0,
  };
  place(layout, tree, { id: root, parent: root });
  links.set(root, 2);
  const pending: InodeId[] = [root];
  for (let parent = pending.pop(); parent !== undefined; parent = pending.pop()) {
    const below: InodeId[] = [];
    for (const id of tree.entries(parent).values()) {
      if (turns.isOver) await turns.next();
      if (links.get(id) === 0) place(layout, tree, { id, parent });
      if (tree.isDirectory(id)) {
        links.set(id, 2);
        links.set(parent, links.get(parent) + 1);
        below.push(id);
      } else {
        links.set(id, links.get(id) + 1);
      }
    }
    // One by one: a call takes no hundred thousand arguments.
    for (const directory of below.toReversed()) pending.push(directory);
  }
  await numberPacked(layout, tree, turns);
  return layout;
}

async function numberPacked(layout: TreeLayout, tree: FileTree, turns: Turns): Promise<void> {
  const firstSlot = metadataBlocks(layout) * BLOCK_SLOTS;
  for (const id of packedInodes(tree)) {
    if (turns.isOver) await turns.next();
    const slot = tree.packed.get(id) - 1;
    setNumber(tree, id, firstSlot + slot);
    layout.packedBlocks = Math.max(layout.packedBlocks, Math.floor(slot / BLOCK_SLOTS) + 1);
  }
}

/** Those that have a name. */
export function* packedInodes(tree: FileTree): Generator<InodeId> {
  for (let id = 0; id < tree.count; id++) if (tree.packed.get(id) > 0 && tree.links.get(id) > 0) yield id;
}

export function metadataBlocks({ metadataBytes }: TreeLayout): number {
  return Math.ceil(metadataBytes / BLOCK_BYTES);
}

function place(layout: TreeLayout, tree: FileTree, { id, parent }: { id: InodeId; parent: InodeId }): void {
  layout.inodes++;
  if (tree.packed.get(id) > 0) {
    layout.contentBytes += tree.size.get(id);
    return;
  }
  const head = INODE_BYTES + tree.xattrArea(id).length;
  const kind = tree.kindOf(id);
  let offset = layout.metadataBytes;
  let body = 0;
  if (kind === 'directory' || kind === 'symlink') {
    const tail = kind === 'directory' ? sizeDirectory(tree, id) : tree.size.get(id);
    const fullBlocks = (tree.size.get(id) - tail) / BLOCK_BYTES;
    const inline = placeTail(offset, head, tail);
    tree.inlineTail.set(id, inline === undefined ? 0 : 1);
    tree.firstBlock.set(id, layout.bodyBlocks);
    layout.bodyBlocks += fullBlocks + (inline === undefined ? 1 : 0);
    if (inline !== undefined) {
      offset = inline;
      body = tail;
    }
  } else if (kind === 'file') {
    layout.contentBytes += tree.size.get(id);
    if (tree.chunkMaps.has(id)) {
      layout.hasChunks = true;
      body = chunkPadding(head) + chunkCount(tree, id) * CHUNK_INDEX_BYTES;
    }
  }
  setNumber(tree, id, offset / SLOT_BYTES);
  if (kind === 'directory') tree.parent.set(id, parent);
  layout.placed[layout.count++] = id;
  layout.metadataBytes = Math.ceil((offset + head + body) / SLOT_BYTES) * SLOT_BYTES;
}

function setNumber(tree: FileTree, id: InodeId, nid: number): void {
  if (nid > MAX_NID) throw new LarderError('erofs.unrepresentable', 'the metadata is more than inode numbers reach');
  tree.nid.set(id, nid);
}

/** Sorts a directory, sets its size, and returns the bytes in its last block. */
function sizeDirectory(tree: FileTree, directory: InodeId): number {
  tree.sort(directory);
  let blocks = 0;
  let tail = 0;
  for (const names of nameBlocks(tree, directory)) {
    blocks++;
    tail = blockBytes(names);
  }
  tree.size.set(directory, (blocks - 1) * BLOCK_BYTES + tail);
  return tail;
}

/**
 * Offset for an inode whose tail lies behind it, for a tail must not cross a block boundary (fs/erofs/data.c refuses it);
 * undefined where a block of its own is cheaper than the slots to skip, or the only way.
 */
function placeTail(offset: number, head: number, tail: number): number | undefined {
  if (!crossesBlock(offset + head, tail)) return offset;
  const nextBlock = Math.ceil((offset + head) / BLOCK_BYTES) * BLOCK_BYTES;
  const start = Math.ceil((nextBlock - head) / SLOT_BYTES) * SLOT_BYTES;
  return start - offset > BLOCK_BYTES - tail || crossesBlock(start + head, tail) ? undefined : start;
}

function crossesBlock(start: number, bytes: number): boolean {
  return bytes > 0 && Math.floor(start / BLOCK_BYTES) !== Math.floor((start + bytes - 1) / BLOCK_BYTES);
}

/** Chunk indexes are aligned to their own size. */
export function chunkPadding(head: number): number {
  return -head & (CHUNK_INDEX_BYTES - 1);
}

export function chunkCount(tree: FileTree, id: InodeId): number {
  const chunkBits = tree.chunkMaps.get(id)?.chunkBits ?? 0;
  return Math.ceil(tree.size.get(id) / (BLOCK_BYTES * 2 ** chunkBits));
}
