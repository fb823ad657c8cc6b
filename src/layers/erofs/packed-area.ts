import type { Turns } from '../../lib/turns.ts';
import { Column } from './column.ts';
import { encodeInode } from './encode-inode.ts';
import type { FileTree, InodeId } from './file-tree.ts';
import { BLOCK_BYTES, SLOT_BYTES } from './format.ts';
import { packedInodes } from './layout.ts';
import { SECTION_BYTES, type Section } from './section.ts';

/** Where inodes lie that have their file's tail behind them: all but the inodes is there. */
export type PackedArea = {
  /** The bytes may be changed, and are overwritten by the next read. */
  read(offset: number, length: number): Promise<Buffer>;
};

/** Puts the inodes into the area, which begins at byte `start` of the file; in pieces that end where those of the file do. */
export async function* packedSections(
  tree: FileTree,
  area: PackedArea,
  { start, blocks, bodyStart, turns }: { start: number; blocks: number; bodyStart: number; turns: Turns },
): AsyncGenerator<Section> {
  const end = start + blocks * BLOCK_BYTES;
  const sectionOf = (position: number) => Math.floor(position / SECTION_BYTES);
  const positionOf = (id: InodeId) => start + (tree.packed.get(id) - 1) * SLOT_BYTES;
  const inodes = new Groups();
  for (const id of packedInodes(tree)) {
    if (turns.isOver) await turns.next();
    inodes.add(sectionOf(positionOf(id)), id);
  }
  for (let position = start; position < end; ) {
    const section = sectionOf(position);
    const sectionEnd = Math.min(end, (section + 1) * SECTION_BYTES);
    const bytes = await area.read(position - start, sectionEnd - position);
    for (const id of inodes.of(section)) {
      if (turns.isOver) await turns.next();
      const at = positionOf(id) - position;
      const inode = encodeInode(bytes.subarray(at), { tree, id }, bodyStart);
      bytes.set(tree.xattrArea(id), at + inode.length);
    }
    yield { position, bytes };
    position = sectionEnd;
  }
  inodes.free();
}

/** Inodes by groups: chains of them, in 4 bytes each. */
class Groups {
  /** Of a group its last inode, of an inode the one before it; one more, so that 0 is the end. */
  readonly #last = new Column(Uint32Array);
  readonly #before = new Column(Uint32Array);

  add(group: number, id: InodeId): void {
    this.#before.set(id, this.#last.get(group));
    this.#last.set(group, id + 1);
  }

  *of(group: number): Generator<InodeId> {
    for (let next = this.#last.get(group); next > 0; next = this.#before.get(next - 1)) yield next - 1;
  }

  free(): void {
    this.#last.free();
    this.#before.free();
  }
}
