import type { FileTree, InodeId } from './file-tree.ts';
import * as format from './format.ts';
import { xattrCount } from './xattr-area.ts';

const { BLOCK_BYTES, LAYOUT } = format;

/** An inode that has its number. */
export type Placed = { tree: FileTree; id: InodeId };

/** The inode's bytes, at the start of memory that is used again. Directories and symlinks have their blocks from `bodyStart` on. */
export function encodeInode(target: Buffer, inode: Placed, bodyStart: number): Buffer {
  const { tree, id } = inode;
  const { layout, size, union } = describeBody(inode, bodyStart);
  const bytes = target.subarray(0, format.INODE_BYTES).fill(0);
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
      if (!map) return { layout: tree.packed.get(id) > 0 ? LAYOUT.inlineTail : LAYOUT.plain, size, union: firstBlock };
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
