import { BLOCK_WORDS } from './match-blocks.ts';

const NONE = new Uint32Array(0);
/** The counters have eight bits: room for the misses of 100 bitmaps and of a sum up to 127. */
const MOST = 255;

/**
 * Counts for all caches of a block how many bitmaps each is in, 32 at once: bit n of `a`, `b`, `c`, … together is a counter of
 * cache n. It counts the bitmaps that a cache is missing in, from so high a start that it overflows with one miss too many;
 * most caches do so soon, and the rest of their word is skipped. Four bitmaps are added up before they are carried on.
 */
export class BlockCounter {
  /** Caches with at least as many as asked. */
  readonly atLeast = new Int32Array(BLOCK_WORDS);
  /** Caches with exactly as many. */
  readonly exactly = new Int32Array(BLOCK_WORDS);
  /** The most that a cache can have. */
  readonly most: number;
  readonly #bitmaps: readonly Uint32Array[];
  readonly #planes: readonly Uint32Array[];
  /** What the planes can add up to. */
  readonly #mostOfPlanes: number;

  /** `planes` are further bitmaps, of which number p counts 2^p. Bitmaps that most are missing in should come first. */
  constructor(bitmaps: readonly Uint32Array[], planes: readonly Uint32Array[]) {
    const [ones, ...others] = planes;
    this.#bitmaps = ones === undefined ? bitmaps : [ones, ...bitmaps];
    this.#planes = others;
    this.#mostOfPlanes = 2 ** planes.length - 1;
    this.most = bitmaps.length + this.#mostOfPlanes;
  }

  /** Of the caches of `among`, a word for each 32 from word `firstWord` of the bitmaps on; true when some have at least `least`. */
  count(firstWord: number, among: ArrayLike<number>, least: number): boolean {
    const allowed = this.most - least;
    if (allowed < 0) {
      this.atLeast.fill(0);
      this.exactly.fill(0);
      return false;
    }
    const [bitmaps, planes] = [this.#bitmaps, this.#planes];
    const length = bitmaps.length;
    const start = MOST - Math.min(allowed, MOST);
    const [a0, b0, c0, d0] = [-(start & 1), -((start >> 1) & 1), -((start >> 2) & 1), -((start >> 3) & 1)];
    const [e0, f0, g0, h0] = [-((start >> 4) & 1), -((start >> 5) & 1), -((start >> 6) & 1), -((start >> 7) & 1)];
    let any = 0;
    for (let index = 0; index < BLOCK_WORDS; index++) {
      const word = firstWord + index;
      let within = among[index] ?? 0;
      let [a, b, c, d, e, f, g, h] = [a0, b0, c0, d0, e0, f0, g0, h0];
      let carry: number;
      let next: number;
      for (let plane = 0; plane < planes.length && within !== 0; plane++) {
        carry = ~((planes[plane] ?? NONE)[word] ?? 0);
        if (plane === 0) {
          next = b & carry;
          b ^= carry;
          carry = next;
        }
        if (plane <= 1) {
          next = c & carry;
          c ^= carry;
          carry = next;
        }
        if (plane <= 2) {
          next = d & carry;
          d ^= carry;
          carry = next;
        }
        if (plane <= 3) {
          next = e & carry;
          e ^= carry;
          carry = next;
        }
        if (plane <= 4) {
          next = f & carry;
          f ^= carry;
          carry = next;
        }
        next = g & carry;
        g ^= carry;
        within &= ~(h & next);
        h ^= next;
      }
      let at = 0;
      for (; at + 3 < length && within !== 0; at += 4) {
        const miss0 = ~((bitmaps[at] ?? NONE)[word] ?? 0);
        const miss1 = ~((bitmaps[at + 1] ?? NONE)[word] ?? 0);
        const miss2 = ~((bitmaps[at + 2] ?? NONE)[word] ?? 0);
        const miss3 = ~((bitmaps[at + 3] ?? NONE)[word] ?? 0);
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
      for (; at < length && within !== 0; at++) {
        carry = ~((bitmaps[at] ?? NONE)[word] ?? 0);
        next = a & carry;
        a ^= carry;
        carry = b & next;
        b ^= next;
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
      any |= within;
    }
    return any !== 0;
  }

  /** How many one cache has. */
  countOne(ordinal: number): number {
    const [word, bit] = [ordinal >>> 5, ordinal & 31];
    const [bitmaps, planes] = [this.#bitmaps, this.#planes];
    let count = 0;
    for (let index = 0; index < bitmaps.length; index++) count += (((bitmaps[index] ?? NONE)[word] ?? 0) >>> bit) & 1;
    for (let index = 0; index < planes.length; index++) {
      count += ((((planes[index] ?? NONE)[word] ?? 0) >>> bit) & 1) << (index + 1);
    }
    return count;
  }
}
