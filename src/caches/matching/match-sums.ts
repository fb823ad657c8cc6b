import type { QueryList } from './match-lists.ts';
import { BitRun, type MatchMemory, PAGE_WORDS, WORD_BYTES } from './match-memory.ts';
import type { Postings } from './match-postings.ts';

/**
 * The weights of the short lists that each cache is in, added up, as bits: plane p has bit p of every cache's sum, so that
 * sums are counted on together with the lists that are bitmaps themselves.
 */
export class SparseSums {
  /** How many planes are in use. */
  planeCount = 0;
  readonly #planes: BitRun[] = [];
  readonly #postings: Postings;
  readonly #memory: MatchMemory;
  /** A page to hand ordinals to the kernel in. */
  readonly #room: number;
  #space = 0;

  constructor(postings: Postings, memory: MatchMemory) {
    this.#postings = postings;
    this.#memory = memory;
    this.#room = memory.take(1);
  }

  /** Planes in use, the ones first. */
  planes(): readonly BitRun[] {
    return this.#planes.slice(0, this.planeCount);
  }

  /** Must be called before `add`, when nothing is added. */
  begin(space: number): void {
    this.#space = space;
  }

  add(list: QueryList): void {
    const { lists } = this.#postings;
    const page = lists.page(list.number);
    const offset = lists.offset(list.number);
    const end = offset + list.count;
    if (list.weight > 1) {
      for (let index = offset; index < end; index++) this.#add(page[index] ?? 0, 0, list.weight);
      return;
    }
    const [ones, twos] = [this.#plane(0).start, this.#plane(1).start];
    for (let from = offset; from < end; from += PAGE_WORDS) {
      this.#addOnes(page.subarray(from, Math.min(from + PAGE_WORDS, end)), ones, twos);
    }
  }

  #addOnes(ordinals: Uint32Array, ones: number, twos: number): void {
    const { kernel } = this.#memory;
    const from = this.#room;
    this.#memory.words.set(ordinals, from);
    const left = kernel.add(
      from * WORD_BYTES,
      (from + ordinals.length) * WORD_BYTES,
      ones * WORD_BYTES,
      twos * WORD_BYTES,
    );
    // A further plane may move the words.
    for (let at = from; at < left / WORD_BYTES; at++) this.#add(this.#memory.words[at] ?? 0, 2, 1);
  }

  /** Back to nothing added. */
  clear(): void {
    for (const plane of this.planes()) plane.clear();
    this.planeCount = 0;
  }

  /** Adds `value` · 2^`from`. */
  #add(ordinal: number, from: number, value: number): void {
    let carry = 0;
    for (let plane = from, rest = value; rest !== 0 || carry !== 0; plane++, rest >>= 1) {
      const digit = rest & 1;
      // Twice nothing leaves the bit, twice one leaves it too and is carried on.
      if (digit !== carry) carry = this.#flip(this.#plane(plane), ordinal) ? 1 : 0;
    }
  }

  /** Whether the bit was set. */
  #flip(plane: BitRun, ordinal: number): boolean {
    const { words } = this.#memory;
    const at = plane.start + (ordinal >>> 5);
    const bit = 1 << (ordinal & 31);
    const before = words[at] ?? 0;
    words[at] = before ^ bit;
    return (before & bit) !== 0;
  }

  #plane(number: number): BitRun {
    for (; this.planeCount <= number; this.planeCount++) {
      const next = this.#planes[this.planeCount] ?? new BitRun(this.#memory);
      next.reserve(this.#space);
      this.#planes[this.planeCount] = next;
    }
    const plane = this.#planes[number];
    if (plane === undefined) throw new RangeError(`no plane ${number}`);
    return plane;
  }
}
