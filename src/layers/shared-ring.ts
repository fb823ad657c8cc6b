/** 1 MiB that a chunk is valid for (decompressor.ts), 1 MiB that a child is ahead, and three reads of it (child-output.ts). */
const RING_BYTES = 7 << 19;
/** Kept for the next layer: as many as are converted at once, by default. */
const MAX_IDLE = 2;

/**
 * Memory that other threads can read, filled from its beginning to its end, again and again: what lies in it is overwritten
 * after as many bytes as it has, less the largest piece.
 */
export class SharedRing {
  readonly #memory: Buffer<SharedArrayBuffer>;
  #position = 0;

  constructor(bytes: number) {
    this.#memory = Buffer.from(new SharedArrayBuffer(bytes));
  }

  /** Where the next piece goes, of at most so many bytes. */
  room(bytes: number): Buffer<SharedArrayBuffer> {
    if (this.#memory.length - this.#position < bytes) this.#position = 0;
    return this.#memory.subarray(this.#position, this.#position + bytes);
  }

  /** The first bytes of what `room` gave, which are kept. */
  keep(bytes: number): Buffer<SharedArrayBuffer> {
    const piece = this.#memory.subarray(this.#position, this.#position + bytes);
    this.#position += bytes;
    return piece;
  }
}

const idle: SharedRing[] = [];

/**
 * A ring for one layer. It is given back when nobody reads it any more: shared memory counts for nothing in V8's eyes, so that it
 * would let that of a hundred small layers lie about.
 */
export function takeRing(): SharedRing {
  return idle.pop() ?? new SharedRing(RING_BYTES);
}

export function giveRing(ring: SharedRing): void {
  if (idle.length < MAX_IDLE) idle.push(ring);
}
