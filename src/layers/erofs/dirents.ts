import { BLOCK_BYTES, DIRENT_BYTES, DIRENT_TYPE } from './format.ts';
import type { ByteString, Directory } from './inode.ts';

/** The names of a directory's blocks, one array per block; every name of the directory once, in order. */
type NameBlocks = ByteString[][];

/**
 * Splits a directory's names into blocks. Names are sorted bytewise across all blocks, `.` and `..` among them:
 * `-x` sorts before both. (The kernel finds a name by bisection, fs/erofs/namei.c.)
 */
export function nameBlocks(directory: Directory): NameBlocks {
  const names = [...directory.entries.keys(), '.', '..'].toSorted();
  const blocks: NameBlocks = [];
  let block: ByteString[] = [];
  let used = 0;
  for (const name of names) {
    const bytes = DIRENT_BYTES + name.length;
    if (used + bytes > BLOCK_BYTES) {
      blocks.push(block);
      block = [];
      used = 0;
    }
    block.push(name);
    used += bytes;
  }
  blocks.push(block);
  return blocks;
}

/** Bytes that a block's entries take, before padding. */
export function blockBytes(names: readonly ByteString[]): number {
  return names.reduce((bytes, name) => bytes + DIRENT_BYTES + name.length, 0);
}

/** Encodes one block: the entries, then their names. All inodes must have their numbers. */
export function encodeDirents(target: Buffer, names: readonly ByteString[], directory: Directory): void {
  const parent = { kind: directory.kind, nid: directory.parentNid };
  let entryOffset = 0;
  let nameOffset = names.length * DIRENT_BYTES;
  for (const name of names) {
    const inode = name === '.' ? directory : name === '..' ? parent : directory.entries.get(name);
    if (!inode) throw new TypeError('a name that is not in its directory');
    target.writeUInt32LE(inode.nid, entryOffset);
    target.writeUInt32LE(0, entryOffset + 4);
    target.writeUInt16LE(nameOffset, entryOffset + 8);
    target[entryOffset + 10] = DIRENT_TYPE[inode.kind];
    target[entryOffset + 11] = 0;
    target.write(name, nameOffset, 'latin1');
    entryOffset += DIRENT_BYTES;
    nameOffset += name.length;
  }
}
