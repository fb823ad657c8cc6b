/** Where a blob goes: `BlobIngest` of the blob store has this shape. Writes to different positions may be under way at once. */
export type LayerSink = {
  /** Writes the buffers one after the other from this byte position on. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<void>;
};

/** One write. Larger ones gained nothing; below 1 MiB the calls begin to show. */
const BATCH_BYTES = 2 << 20;
/** Linux IOV_MAX. */
const BATCH_BUFFERS = 1024;
/** Writes under way: one that the disk works on, one that waits for it. Bounds memory together with BATCH_BYTES. */
const MAX_WRITES = 2;
const ZEROS = Buffer.alloc(64 << 10);

/**
 * Appends to a blob without copying: it gathers views and hands them over in large writes, while the caller goes on.
 * `append` never waits; the caller awaits `flush` when `isFull`.
 */
export class BlobWriter {
  readonly #sink: LayerSink;
  #position: number;
  #batchStart: number;
  #batch: Uint8Array[] = [];
  readonly #writes = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(sink: LayerSink, position: number) {
    this.#sink = sink;
    this.#position = position;
    this.#batchStart = position;
  }

  /** Where the next byte goes. */
  get position(): number {
    return this.#position;
  }

  get isFull(): boolean {
    return this.#position - this.#batchStart >= BATCH_BYTES || this.#batch.length >= BATCH_BUFFERS;
  }

  append(bytes: Uint8Array): void {
    this.#batch.push(bytes);
    this.#position += bytes.length;
  }

  appendZeros(count: number): void {
    for (let left = count; left > 0; left -= ZEROS.length) {
      this.append(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
    }
  }

  /** Zeros up to the next multiple. */
  align(multiple: number): void {
    this.appendZeros((multiple - (this.#position % multiple)) % multiple);
  }

  /** Starts writing what was appended; waits only while too many writes are under way. Rejects when one failed. */
  async flush(): Promise<void> {
    for (let start = 0; start < this.#batch.length; start += BATCH_BUFFERS) {
      while (this.#writes.size >= MAX_WRITES) await Promise.race(this.#writes);
      this.#rethrow();
      const buffers = this.#batch.slice(start, start + BATCH_BUFFERS);
      this.#start(buffers, this.#batchStart);
      this.#batchStart += buffers.reduce((bytes, buffer) => bytes + buffer.length, 0);
    }
    this.#batch = [];
  }

  /** Waits until everything is written. */
  async finish(): Promise<void> {
    await this.flush();
    await this.settle();
    this.#rethrow();
  }

  /** Waits until no write is under way, whatever became of them: only then the sink may be closed. */
  async settle(): Promise<void> {
    await Promise.all(this.#writes);
  }

  #start(buffers: readonly Uint8Array[], position: number): void {
    const write = this.#sink
      .writev(buffers, position)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#writes.delete(write));
    this.#writes.add(write);
  }

  #rethrow(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
