/** Sections are yielded in pieces of this size: the writer's whole memory beside the tree. */
export const SECTION_BYTES = 1 << 20;

/** What is to be written, and where. */
export type Section = { position: number; bytes: Buffer };

/** Bytes for consecutive positions, gathered into sections. What was yielded is used again once the next is asked for. */
export class SectionBuffer {
  #start: number;
  #bytes: Buffer = Buffer.alloc(SECTION_BYTES);
  #used = 0;
  readonly #full: Section[] = [];
  readonly #free: Buffer[] = [];

  constructor(position: number) {
    this.#start = position;
  }

  append(bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length; ) {
      const copied = bytes.copy(this.#bytes, this.#used, offset);
      this.#advance(copied);
      offset += copied;
    }
  }

  /** Zeros up to a position at or after the present one. */
  skipTo(position: number): void {
    for (let gap = position - this.#start - this.#used; gap > 0; gap = position - this.#start - this.#used) {
      this.#advance(Math.min(gap, SECTION_BYTES - this.#used));
    }
  }

  *takeFull(): Generator<Section> {
    for (let section = this.#full.shift(); section; section = this.#full.shift()) {
      yield section;
      this.#free.push(section.bytes);
    }
  }

  *takeAll(): Generator<Section> {
    yield* this.takeFull();
    if (this.#used > 0) yield { position: this.#start, bytes: this.#bytes.subarray(0, this.#used) };
    this.#start += this.#used;
    this.#used = 0;
  }

  #advance(count: number): void {
    this.#used += count;
    if (this.#used < SECTION_BYTES) return;
    this.#full.push({ position: this.#start, bytes: this.#bytes });
    this.#start += SECTION_BYTES;
    this.#bytes = this.#free.pop()?.fill(0) ?? Buffer.alloc(SECTION_BYTES);
    this.#used = 0;
  }
}
