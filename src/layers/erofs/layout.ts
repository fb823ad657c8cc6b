import { blockBytes, nameBlocks } from './dirents.ts';
import { BLOCK_BYTES, CHUNK_INDEX_BYTES, INODE_BYTES, SLOT_BYTES } from './format.ts';
import type { Directory, Inode, RegularFile, Symlink } from './inode.ts';
import { xattrAreaBytes } from './xattr-area.ts';

/** Where everything goes: the first pass over a tree. */
export type TreeLayout = {
  /** Every inode once, by rising number. */
  placed: Inode[];
  metadataBytes: number;
  /** Blocks of directories and symlinks that don't lie behind their inodes. */
  bodyBlocks: number;
  hasChunks: boolean;
  /** Sum of the sizes of regular files, hard links once. */
  contentBytes: number;
};

/**
 * Gives every inode its number, and every directory its size and, counted from 0, its first block.
 * Root first, for its number must fit 16 bits; then directory by directory, so that `ls -l` reads consecutive inodes.
 */
export function layOut(root: Directory): TreeLayout {
  const layout: TreeLayout = { placed: [], metadataBytes: 0, bodyBlocks: 0, hasChunks: false, contentBytes: 0 };
  place(layout, root, root);
  root.links = 2;
  const pending: Directory[] = [root];
  for (let parent = pending.pop(); parent; parent = pending.pop()) {
    const below: Directory[] = [];
    for (const name of [...parent.entries.keys()].toSorted()) {
      const inode = parent.entries.get(name);
      if (!inode) continue;
      if (inode.nid < 0) place(layout, inode, parent);
      if (inode.kind === 'directory') {
        inode.links = 2;
        parent.links++;
        below.push(inode);
      } else {
        inode.links++;
      }
    }
    // One by one: a call takes no hundred thousand arguments.
    for (const directory of below.toReversed()) pending.push(directory);
  }
  return layout;
}

function place(layout: TreeLayout, inode: Inode, parent: Directory): void {
  const head = INODE_BYTES + xattrAreaBytes(inode.xattrs);
  let offset = layout.metadataBytes;
  let body = 0;
  if (inode.kind === 'directory' || inode.kind === 'symlink') {
    const tail = sizeOfTail(inode);
    const fullBlocks = inode.kind === 'directory' ? (inode.size - tail) / BLOCK_BYTES : 0;
    const inline = placeTail(offset, head, tail);
    inode.inlineTail = inline !== undefined;
    inode.firstBlock = layout.bodyBlocks;
    layout.bodyBlocks += fullBlocks + (inode.inlineTail ? 0 : 1);
    if (inline !== undefined) {
      offset = inline;
      body = tail;
    }
  } else if (inode.kind === 'file') {
    layout.contentBytes += inode.size;
    if (typeof inode.data !== 'number') {
      layout.hasChunks = true;
      body = chunkPadding(head) + chunkCount(inode) * CHUNK_INDEX_BYTES;
    }
  }
  inode.nid = offset / SLOT_BYTES;
  if (inode.kind === 'directory') inode.parentNid = parent.nid;
  layout.placed.push(inode);
  layout.metadataBytes = Math.ceil((offset + head + body) / SLOT_BYTES) * SLOT_BYTES;
}

/** Bytes in the last block of a directory, or of a symlink's target; sets a directory's size. */
function sizeOfTail(inode: Directory | Symlink): number {
  if (inode.kind === 'symlink') return inode.target.length;
  const blocks = nameBlocks(inode);
  const tail = blockBytes(blocks.at(-1) ?? []);
  inode.size = (blocks.length - 1) * BLOCK_BYTES + tail;
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

export function chunkCount(file: RegularFile): number {
  const chunkBits = typeof file.data === 'number' ? 0 : file.data.chunkBits;
  return Math.ceil(file.size / (BLOCK_BYTES * 2 ** chunkBits));
}
