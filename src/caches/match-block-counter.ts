import { BLOCK_WORDS } from './match-blocks.ts';

const NONE = new Uint32Array(0);
/** The counters have eight bits: room for the misses of 100 bitmaps and of a sum up to 127. */
const MOST = 255;
const GROUP = 4;

/**
 * Counts for all caches of a block how many bitmaps each is in, 32 at once: bit n of `a`, `b`, `c`, … together is a counter of
 * cache n. It counts the bitmaps that a cache is missing in, from so high a start that it overflows with one miss too many;
 * most caches do so soon, and the rest of their word is skipped.
 */
export class BlockCounter {
  /** Caches with at least as many as asked. */
  readonly atLeast = new Int32Array(BLOCK_WORDS);
  /** Caches with exactly as many. */
  readonly exactly = new Int32Array(BLOCK_WORDS);
  /** The most that a cache can have. */
  readonly most: number;
  /** Added one by one; number i counts 2^`levels[i]`. */
  readonly #singles: readonly Uint32Array[];
  readonly #levels: readonly number[];
  /** Added four at a time. */
  readonly #grouped: readonly Uint32Array[];

  /** How many of the singles are planes, what they can add up to, and whether a word of any has a bit. */
  readonly #planeCount: number;
  readonly #mostOfPlanes: number;
  readonly #anyPlane: Uint32Array;

  /** `sums` counts further. Bitmaps that most are missing in should come first. */
  constructor(
    bitmaps: readonly Uint32Array[],
    sums: { readonly planes: readonly Uint32Array[]; readonly any: Uint32Array },
  ) {
    const { planes, any } = sums;
    const left = bitmaps.length % GROUP;
    this.#singles = [...planes, ...bitmaps.slice(0, left)];
    this.#levels = this.#singles.map((_, index) => (index < planes.length ? index : 0));
    this.#grouped = bitmaps.slice(left);
    this.#planeCount = planes.length;
    this.#mostOfPlanes = 2 ** planes.length - 1;
    this.#anyPlane = any;
    this.most = bitmaps.length + this.#mostOfPlanes;
  }

  /**
   * Of the caches of the block that begins at word `firstWord` of the bitmaps, those that `among` has from word `amongFrom` on;
   * true when some have at least `least`.
   */
  count(firstWord: number, least: number, among: Int32Array, amongFrom: number = 0): boolean {
    const allowed = this.most - least;
    if (allowed < 0) {
      this.atLeast.fill(0);
      this.exactly.fill(0);
      return false;
    }
    const start = MOST - Math.min(allowed, MOST);
    // Where the planes are empty, as in many words, all caches miss what they could add up to.
    const startWithoutPlanes = start + this.#mostOfPlanes;
    const planes = this.#planeCount;
    let any = 0;
    for (let index = 0; index < BLOCK_WORDS; index++) {
      const within = among[amongFrom + index] ?? 0;
      const word = firstWord + index;
      if (within !== 0 && planes > 0 && this.#anyPlane[word] !== 0)
        any |= this.#countWord(word, index, within, start, 0);
      else if (within === 0 || startWithoutPlanes > MOST) this.#clear(index);
      else any |= this.#countWord(word, index, within, startWithoutPlanes, planes);
    }
    return any !== 0;
  }

  /** How many one cache has. */
  countOne(ordinal: number): number {
    const word = ordinal >>> 5;
    const bit = ordinal & 31;
    let count = 0;
    for (let at = 0; at < this.#singles.length; at++) {
      count += ((((this.#singles[at] ?? NONE)[word] ?? 0) >>> bit) & 1) << (this.#levels[at] ?? 0);
    }
    for (let at = 0; at < this.#grouped.length; at++) {
      count += (((this.#grouped[at] ?? NONE)[word] ?? 0) >>> bit) & 1;
    }
    return count;
  }

  #clear(index: number): void {
    this.atLeast[index] = 0;
    this.exactly[index] = 0;
  }

  // Most of a query's time goes by here: hence one long function, and no destructuring, which is not free.
  #countWord(word: number, index: number, among: number, start: number, firstSingle: number): number {
    const singles = this.#singles;
    const levels = this.#levels;
    const grouped = this.#grouped;
    let within = among;
    let carry = 0;
    let next = 0;
    let a = -(start & 1);
    let b = -((start >> 1) & 1);
    let c = -((start >> 2) & 1);
    let d = -((start >> 3) & 1);
    let e = -((start >> 4) & 1);
    let f = -((start >> 5) & 1);
    let g = -((start >> 6) & 1);
    let h = -((start >> 7) & 1);
    for (let at = firstSingle; at < singles.length && within !== 0; at++) {
      const level = levels[at] ?? 0;
      carry = ~((singles[at] ?? NONE)[word] ?? 0);
      if (level <= 0) {
        next = a & carry;
        a ^= carry;
        carry = next;
      }
      if (level <= 1) {
        next = b & carry;
        b ^= carry;
        carry = next;
      }
      if (level <= 2) {
        next = c & carry;
        c ^= carry;
        carry = next;
      }
      if (level <= 3) {
        next = d & carry;
        d ^= carry;
        carry = next;
      }
      if (level <= 4) {
        next = e & carry;
        e ^= carry;
        carry = next;
      }
      if (level <= 5) {
        next = f & carry;
        f ^= carry;
        carry = next;
      }
      next = g & carry;
      g ^= carry;
      within &= ~(h & next);
      h ^= next;
    }
    for (let at = 0; at < grouped.length && within !== 0; at += GROUP) {
      const miss0 = ~((grouped[at] ?? NONE)[word] ?? 0);
      const miss1 = ~((grouped[at + 1] ?? NONE)[word] ?? 0);
      const miss2 = ~((grouped[at + 2] ?? NONE)[word] ?? 0);
      const miss3 = ~((grouped[at + 3] ?? NONE)[word] ?? 0);
      // Two full adders of ones give two carries, a third one takes those; then it is one bit to carry on.
      let half = a ^ miss0;
      const twos0 = (a & miss0) | (half & miss1);
      a = half ^ miss1;
      half = a ^ miss2;
      const twos1 = (a & miss2) | (half & miss3);
      a = half ^ miss3;
      half = b ^ twos0;
      carry = (b & twos0) | (half & twos1);
      b = half ^ twos1;
      next = c & carry;
      c ^= carry;
      carry = d & next;
      d ^= next;
      next = e & carry;
      e ^= carry;
      carry = f & next;
      f ^= next;
      next = g & carry;
      g ^= carry;
      within &= ~(h & next);
      h ^= next;
    }
    this.atLeast[index] = within;
    this.exactly[index] = within & a & b & c & d & e & f & g & h;
    return within;
  }
}
