import type { FileTree, InodeId } from './file-tree.ts';
import { BLOCK_BYTES, DIRENT_BYTES, DIRENT_TYPE } from './format.ts';
import type { ByteString } from './inode.ts';

/**
 * Splits the names of a directory, which are sorted, into blocks: one array per block, every name of the directory once. The
 * order is bytewise across all blocks. (The kernel finds a name by bisection, fs/erofs/namei.c.)
 */
export function* nameBlocks(tree: FileTree, directory: InodeId): Generator<ByteString[]> {
  let block: ByteString[] = [];
  let used = 0;
  for (const name of allNames(tree, directory)) {
    const bytes = DIRENT_BYTES + name.length;
    if (used + bytes > BLOCK_BYTES) {
      yield block;
      block = [];
      used = 0;
    }
    block.push(name);
    used += bytes;
  }
  yield block;
}

/** Those of the entries, and `.` and `..` among them: `-x` sorts before both. */
function* allNames(tree: FileTree, directory: InodeId): Generator<ByteString> {
  const own = ['..', '.'];
  for (const name of tree.entries(directory).keys()) {
    for (let next = own.at(-1); next !== undefined && next < name; next = own.at(-1)) {
      yield next;
      own.pop();
    }
    yield name;
  }
  yield* own.toReversed();
}

/** Bytes that a block's entries take, before padding. */
export function blockBytes(names: readonly ByteString[]): number {
  return names.reduce((bytes, name) => bytes + DIRENT_BYTES + name.length, 0);
}

/** Encodes one block: the entries, then their names. All inodes must have their numbers. */
export function encodeDirents(
  target: Buffer,
  names: readonly ByteString[],
  { tree, directory }: { tree: FileTree; directory: InodeId },
): void {
  let entryOffset = 0;
  let nameOffset = names.length * DIRENT_BYTES;
  for (const name of names) {
    const id = name === '.' ? directory : name === '..' ? tree.parent.get(directory) : tree.get(directory, name);
    if (id === undefined) throw new TypeError('a name that is not in its directory');
    target.writeUInt32LE(tree.nid.get(id), entryOffset);
    target.writeUInt32LE(0, entryOffset + 4);
    target.writeUInt16LE(nameOffset, entryOffset + 8);
    target[entryOffset + 10] = DIRENT_TYPE[tree.kindOf(id)];
    target[entryOffset + 11] = 0;
    target.write(name, nameOffset, 'latin1');
    entryOffset += DIRENT_BYTES;
    nameOffset += name.length;
  }
}
