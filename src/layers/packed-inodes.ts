import type { LayerSink, ScratchFile } from './blob-writer.ts';
import { BLOCK_BYTES, type PackedArea, SLOT_BYTES, SlotAllocator } from './erofs/index.ts';

const CHUNK_BYTES = 1 << 18;
const CHUNK_BLOCKS = CHUNK_BYTES / BLOCK_BYTES;
/**
 * The last chunks, 2 MiB, stay in memory, and their blocks open: of the area that a large layer of Debian packages has, 2 % is
 * lost to gaps; with a quarter of it 3 %, with four times as much 1 %. Small layers need no scratch file.
 */
const OPEN_CHUNKS = 8;

type Chunk = { readonly index: number; readonly bytes: Buffer<ArrayBuffer> };

/**
 * The area of the blob where inodes lie that have their file's tail behind them. It is laid out while the tar is read, and its
 * tails are filled in; the inodes follow when all names are known. Until then what is no longer open is kept in a scratch file.
 * `allocate` and `write` never wait; the caller awaits `flush` when `isFull`.
 */
export class PackedInodes implements PackedArea {
  readonly #sink: LayerSink;
  readonly #slots = new SlotAllocator();
  readonly #open: Chunk[] = [];
  readonly #full: Chunk[] = [];
  /** Used again: what the collector finds late is memory, too. */
  readonly #free: Buffer<ArrayBuffer>[] = [];
  #scratch: ScratchFile | undefined;
  #spilling: Promise<void> | undefined;
  #memory = Buffer.alloc(0);

  constructor(sink: LayerSink) {
    this.#sink = sink;
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
    if (this.#memory.length < length) this.#memory = Buffer.alloc(length);
    const bytes = this.#memory.subarray(0, length);
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

  /** Ends it, on any path; what `read` gave is gone. */
  async close(): Promise<void> {
    await this.#spilling?.catch(() => undefined);
    // The bytes count, not what close says when nobody wants them any more.
    await this.#scratch?.close().catch(() => undefined);
    // At once: of a hundred small layers the collector would let it lie.
    const chunks = [...this.#open.splice(0), ...this.#full.splice(0)].map(({ bytes }) => bytes);
    for (const { buffer } of [...chunks, ...this.#free.splice(0), this.#memory]) buffer.transfer(0);
  }

  #openChunk(index: number): void {
    this.#open.push({ index, bytes: this.#free.pop()?.fill(0) ?? Buffer.alloc(CHUNK_BYTES) });
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
    this.#free.push(bytes);
  }
}
