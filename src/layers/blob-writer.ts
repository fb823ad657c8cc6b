import type { Digest } from '../lib/digest.ts';
import { type Hashing, MEMORY_BYTES } from '../lib/hashing.ts';
import { PIECE_BYTES } from '../lib/piece-digest.ts';
import { BlobDigest } from './blob-digest.ts';
import { BLOCK_BYTES } from './erofs/index.ts';

/** Where a blob goes: `BlobIngest` of the blob store has this shape. Writes to different positions may be under way at once. */
export type LayerSink = {
  /** Writes the buffers one after the other from this byte position on. What was never written reads as zeros. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /** The blob will have at least so many bytes; throws when it may not. Holes count, though they are never written. */
  reserve?(blobBytes: number): void;
  /** A file for bytes that go into the blob later. */
  scratch(): Promise<ScratchFile>;
};

/** Nobody else sees it, and it is gone once closed, or with the process. */
export type ScratchFile = {
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Fills the memory with what was written from this position on. */
  read(into: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
};

/** Writes under way: one that the disk works on, one that waits for it. Bounds memory together with MEMORY_BYTES. */
const MAX_WRITES = 2;
/** Zeros of whole blocks from this length on are left out of the file: a hole reads the same and takes no space. */
const MIN_HOLE_BYTES = 4 * BLOCK_BYTES;
const ZERO_BLOCK = Buffer.alloc(BLOCK_BYTES);

/** What is written at once, and the memory it lies in. */
type Batch = { readonly memory: Buffer; readonly bytes: Buffer; readonly position: number };

/**
 * Appends to a blob: gathers bytes in a few large buffers, used again and again, and writes and digests them while the caller goes
 * on.
 * The bytes are copied, which costs less than the garbage of keeping them. `append` never waits; the caller awaits `flush`
 * when `isFull`.
 */
export class BlobWriter {
  readonly #sink: LayerSink;
  readonly #hashing: Hashing;
  readonly #digest: BlobDigest;
  /** Of the first byte of the present buffer; the buffer ends where the next piece begins. */
  #start: number;
  #used = 0;
  #memory: Buffer;
  #buffer: Buffer;
  readonly #full: Batch[] = [];
  readonly #writes = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(sink: LayerSink, position: number, hashing: Hashing) {
    this.#sink = sink;
    this.#hashing = hashing;
    this.#digest = new BlobDigest(hashing);
    this.#start = position;
    this.#memory = hashing.takeMemory();
    this.#buffer = this.#untilPieceEnd();
  }

  /** Where the next byte goes. */
  get position(): number {
    return this.#start + this.#used;
  }

  get isFull(): boolean {
    return this.#full.length > 0;
  }

  /** So many bytes are about to come: throws what the sink throws when they are too many. */
  reserve(bytes: number): void {
    this.#sink.reserve?.(this.position + bytes);
  }

  append(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const taken = Math.min(bytes.length - from, this.#buffer.length - this.#used);
      this.#buffer.set(taken === bytes.length ? bytes : bytes.subarray(from, from + taken), this.#used);
      this.#used += taken;
      from += taken;
      if (this.#used === this.#buffer.length) this.#next(this.position);
    }
  }

  appendZeros(count: number): void {
    const rest = count - this.#fillZeros(count);
    if (rest === 0) return;
    // A buffer that is full has been queued: whole pieces of zeros are jumped over.
    const jump = rest - (rest % PIECE_BYTES);
    if (jump > 0) this.#next(this.position + jump);
    this.#fillZeros(rest - jump);
  }

  /** Zeros up to the next multiple. */
  align(multiple: number): void {
    this.appendZeros((multiple - (this.position % multiple)) % multiple);
  }

  /** Starts writing the buffers that are full; waits only while too many writes are under way. Rejects when one failed. */
  async flush(): Promise<void> {
    for (let batch = this.#full.shift(); batch; batch = this.#full.shift()) {
      while (this.#writes.size >= MAX_WRITES) await Promise.race(this.#writes);
      this.#rethrow();
      this.#write(batch);
    }
  }

  /** Waits until everything is written. */
  async finish(): Promise<void> {
    this.#next(this.position);
    await this.flush();
    await Promise.all(this.#writes);
    this.#rethrow();
  }

  /** Appends at another position, where nothing was written. */
  appendAt(position: number, bytes: Buffer): void {
    if (position !== this.position) this.#next(position);
    this.append(bytes);
  }

  /** The tree digest of all that was written, a file of so many bytes. */
  digest(fileBytes: number): Digest {
    return this.#digest.finish(fileBytes);
  }

  /** Waits until no write is under way, whatever became of them: only then the sink may be closed. The writer ends. */
  async close(): Promise<void> {
    await Promise.all(this.#writes);
    for (const { memory } of this.#full.splice(0)) this.#hashing.giveMemory(memory);
    this.#hashing.giveMemory(this.#memory);
  }

  /** As many zeros as the present buffer takes. */
  #fillZeros(count: number): number {
    const taken = Math.min(count, this.#buffer.length - this.#used);
    this.#buffer.fill(0, this.#used, this.#used + taken);
    this.#used += taken;
    if (this.#used === this.#buffer.length) this.#next(this.position);
    return taken;
  }

  /** Queues the present buffer, and goes on at `position` with another. */
  #next(position: number): void {
    if (this.#used > 0) {
      this.#full.push({ memory: this.#memory, bytes: this.#buffer.subarray(0, this.#used), position: this.#start });
      this.#memory = this.#hashing.takeMemory();
    }
    this.#used = 0;
    this.#start = position;
    this.#buffer = this.#untilPieceEnd();
  }

  /** As much of the memory as goes up to the next multiple of its size: writes stay aligned, and pieces whole. */
  #untilPieceEnd(): Buffer {
    return this.#memory.subarray(0, MEMORY_BYTES - (this.#start % MEMORY_BYTES));
  }

  #write({ memory, bytes, position }: Batch): void {
    const write = Promise.all([this.#digest.add(position, bytes), this.#writeParts(bytes, position)])
      .then(
        () => undefined,
        (error: unknown) => {
          this.#failure ??= { error };
        },
      )
      .finally(() => {
        this.#writes.delete(write);
        this.#hashing.giveMemory(memory);
      });
    this.#writes.add(write);
  }

  async #writeParts(bytes: Buffer, position: number): Promise<void> {
    for (const { start, end } of withoutHoles(bytes, position)) {
      await this.#sink.writev([bytes.subarray(start, end)], position + start);
    }
  }

  #rethrow(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** The parts between long runs of zero blocks; the blocks are those of the file. */
function withoutHoles(bytes: Buffer, position: number): { start: number; end: number }[] {
  const parts: { start: number; end: number }[] = [];
  let start = 0;
  let zerosFrom = -1;
  const endRun = (end: number) => {
    if (zerosFrom >= 0 && end - zerosFrom >= MIN_HOLE_BYTES) {
      if (zerosFrom > start) parts.push({ start, end: zerosFrom });
      start = end;
    }
    zerosFrom = -1;
  };
  const first = (BLOCK_BYTES - (position % BLOCK_BYTES)) % BLOCK_BYTES;
  let block = first;
  for (; block + BLOCK_BYTES <= bytes.length; block += BLOCK_BYTES) {
    // Hardly any block of data starts with zeros, so that comparing costs nothing.
    const isZero = bytes[block] === 0 && bytes.readUInt32LE(block) === 0 && isZeroBlock(bytes, block);
    if (!isZero) endRun(block);
    else if (zerosFrom < 0) zerosFrom = block;
  }
  endRun(block);
  if (start < bytes.length) parts.push({ start, end: bytes.length });
  return parts;
}

function isZeroBlock(bytes: Buffer, start: number): boolean {
  return ZERO_BLOCK.compare(bytes, start, start + BLOCK_BYTES) === 0;
}
