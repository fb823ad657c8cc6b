import type { BlobWriter } from './blob-writer.ts';
import { BLOCK_BYTES, type FileData, INODE_BYTES, SLOT_BYTES, type Xattr, xattrAreaBytes } from './erofs/index.ts';
import type { PackedInodes } from './packed-inodes.ts';

/**
 * A longer tail gets a block of its own: packing it would save less than a quarter of one, but stand between inodes, which are
 * read without those tails by whoever lists a directory.
 */
const MAX_TAIL_BYTES = (3 * BLOCK_BYTES) / 4;

/** Puts the data of files without holes, one after the other, where it belongs: whole blocks into the blob, a tail behind the inode. */
export class FileDataWriter {
  readonly #writer: BlobWriter;
  readonly #packed: PackedInodes;
  /** Of the present file: bytes still to come that go to its blocks, and the offset of what follows them. */
  #blockBytes = 0;
  #tailOffset = 0;

  constructor(writer: BlobWriter, packed: PackedInodes) {
    this.#writer = writer;
    this.#packed = packed;
  }

  get isFull(): boolean {
    return this.#writer.isFull || this.#packed.isFull;
  }

  async flush(): Promise<void> {
    if (this.#writer.isFull) await this.#writer.flush();
    if (this.#packed.isFull) await this.#packed.flush();
  }

  /** Says where a file of this size lies. Throws what the sink throws when that is too much. */
  begin(size: number, xattrs: readonly Xattr[]): FileData {
    const tail = size % BLOCK_BYTES;
    const head = INODE_BYTES + xattrAreaBytes(xattrs);
    const isPacked = tail > 0 && tail <= MAX_TAIL_BYTES && head + tail <= BLOCK_BYTES;
    const slot = isPacked ? this.#packed.allocate(head + tail) : undefined;
    this.#blockBytes = isPacked ? size - tail : size;
    this.#tailOffset = slot === undefined ? 0 : slot * SLOT_BYTES + head;
    const firstBlock = this.#beginBlocks();
    return slot === undefined ? firstBlock : { firstBlock, slot };
  }

  append(bytes: Buffer): void {
    const count = Math.min(bytes.length, this.#blockBytes);
    if (count > 0) this.#writer.append(count === bytes.length ? bytes : bytes.subarray(0, count));
    this.#blockBytes -= count;
    if (count === bytes.length) return;
    this.#packed.write(this.#tailOffset, bytes.subarray(count));
    this.#tailOffset += bytes.length - count;
  }

  /** Throws when a blob with so many more bytes would be too large. */
  reserve(bytes: number): void {
    this.#writer.reserve(bytes + this.#packed.blocks * BLOCK_BYTES);
  }

  #beginBlocks(): number {
    this.reserve(this.#blockBytes);
    if (this.#blockBytes === 0) return 0;
    this.#writer.align(BLOCK_BYTES);
    return this.#writer.position / BLOCK_BYTES;
  }
}
