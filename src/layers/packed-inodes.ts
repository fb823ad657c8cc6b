import { type Hashing, MEMORY_BYTES } from '../lib/hashing.ts';
import type { LayerSink, ScratchFile } from './blob-writer.ts';
import { BLOCK_BYTES, type PackedArea, SLOT_BYTES, SlotAllocator } from './erofs/index.ts';

const CHUNK_BYTES = 1 << 20;
const CHUNK_BLOCKS = CHUNK_BYTES / BLOCK_BYTES;
/**
 * The last chunks stay in memory, and their blocks open. With four, 2 % of the area of Debian's images is lost to gaps; with one
 * it is 4 %. Small layers need no scratch file.
 */
const OPEN_CHUNKS = 4;

type Chunk = { readonly index: number; readonly bytes: Buffer };

/**
 * The area of the blob where inodes lie that have their file's tail behind them. It is laid out while the tar is read, and its
 * tails are filled in; the inodes follow when all names are known. Until then what is no longer open is kept in a scratch file.
 * `allocate` and `write` never wait; the caller awaits `flush` when `isFull`.
 */
export class PackedInodes implements PackedArea {
  readonly #sink: LayerSink;
  readonly #hashing: Hashing;
  readonly #slots = new SlotAllocator();
  readonly #open: Chunk[] = [];
  readonly #full: Chunk[] = [];
  #free: Buffer | undefined;
  #scratch: ScratchFile | undefined;
  #spilling: Promise<void> | undefined;
  #memory: Buffer | undefined;

  constructor(sink: LayerSink, hashing: Hashing) {
    this.#sink = sink;
    this.#hashing = hashing;
  }

  get blocks(): number {
    return this.#slots.blocks;
  }

  get isFull(): boolean {
    return this.#full.length > 0;
  }

  /** The first slot for an inode with its tail, at most a block of bytes. */
  allocate(bytes: number): number {
    const slot = this.#slots.allocate(Math.ceil(bytes / SLOT_BYTES));
    const last = Math.floor((slot * SLOT_BYTES) / CHUNK_BYTES);
    if (last > (this.#open.at(-1)?.index ?? -1)) this.#openChunk(last);
    return slot;
  }

  /** Puts bytes at an offset of the area, in the place that was allocated last. */
  write(offset: number, bytes: Buffer): void {
    const index = Math.floor(offset / CHUNK_BYTES);
    this.#chunk(index)?.bytes.set(bytes, offset % CHUNK_BYTES);
  }

  /** Starts to move to the scratch file what is no longer open. Rejects when that failed before. */
  async flush(): Promise<void> {
    for (let chunk = this.#full[0]; chunk; chunk = this.#full[0]) {
      await this.#spilling;
      this.#spilling = this.#spill(chunk);
      // A failure comes out when it is waited for.
      this.#spilling.catch(() => undefined);
      this.#full.shift();
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    await this.flush();
    await this.#spilling;
    this.#memory ??= this.#hashing.takeMemory();
    const bytes = this.#memory.subarray(0, Math.min(length, MEMORY_BYTES));
    for (let from = 0; from < bytes.length; ) {
      const start = (offset + from) % CHUNK_BYTES;
      const part = bytes.subarray(from, from + CHUNK_BYTES - start);
      const chunk = this.#chunk(Math.floor((offset + from) / CHUNK_BYTES));
      if (chunk) chunk.bytes.copy(part, 0, start);
      else await this.#scratch?.read(part, offset + from);
      from += part.length;
    }
    return bytes;
  }

  /** Ends it on any path, once nothing that was read is in use. */
  async close(): Promise<void> {
    await this.#spilling?.catch(() => undefined);
    // The bytes count, not what close says when nobody wants them any more.
    await this.#scratch?.close().catch(() => undefined);
    if (this.#memory) this.#hashing.giveMemory(this.#memory);
    this.#memory = undefined;
  }

  #openChunk(index: number): void {
    this.#open.push({ index, bytes: this.#free?.fill(0) ?? Buffer.alloc(CHUNK_BYTES) });
    this.#free = undefined;
    if (this.#open.length <= OPEN_CHUNKS) return;
    this.#full.push(...this.#open.splice(0, 1));
    this.#slots.closeBefore((index - OPEN_CHUNKS + 1) * CHUNK_BLOCKS);
  }

  #chunk(index: number): Chunk | undefined {
    return this.#open[index - (this.#open[0]?.index ?? 0)];
  }

  async #spill({ index, bytes }: Chunk): Promise<void> {
    this.#scratch ??= await this.#sink.scratch();
    await this.#scratch.write(bytes, index * CHUNK_BYTES);
    this.#free = bytes;
  }
}
