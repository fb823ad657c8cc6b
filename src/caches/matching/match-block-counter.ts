import type { BlockTables } from './match-block-tables.ts';
import { BLOCK_WORDS } from './match-blocks.ts';
import { COUNT, COUNTER_BITS, GROUP, PLANE_COUNTS, TABLE_BYTES, VECTOR_BYTES } from './match-kernel.ts';
import { type MatchMemory, PAGE_ORDINAL_BITS, PAGE_WORDS, WORD_BYTES } from './match-memory.ts';

/** Bits of all ordinals, in pages. */
export type Bits = { page(number: number): number };

const [FEW_BITS, MANY_BITS] = COUNTER_BITS;
const TABLE_WORDS = TABLE_BYTES / WORD_BYTES;

/**
 * Counts for all caches of a block at once how many bitmaps each is in: in fact how many it is missing in, from so high a
 * start that the counter overflows with one miss too many. Many do so soon, and the rest of their block is skipped.
 */
export class BlockCounter {
  /** The most that a cache can have. */
  readonly most: number;
  /** Bits that its counters need. */
  readonly bits: (typeof COUNTER_BITS)[number];
  readonly #memory: MatchMemory;
  readonly #tables: number;
  readonly #bitmaps: readonly Bits[];
  readonly #planes: readonly Bits[];
  /** With the empty ones that fill up tables. */
  readonly #planeCount: number;
  readonly #bitmapCount: number;

  /**
   * `planes` are further bitmaps, of which number p counts 2^p. Bitmaps that most are missing in should come first. Of the two
   * counters of a query this is number `which`.
   */
  constructor(
    memory: MatchMemory,
    { bitmaps, planes }: { readonly bitmaps: readonly Bits[]; readonly planes: readonly Bits[] },
    place: { readonly tables: BlockTables; readonly which: 0 | 1 },
  ) {
    this.#memory = memory;
    this.#bitmaps = bitmaps;
    this.#planes = planes;
    this.#planeCount = PLANE_COUNTS.find((count) => count >= planes.length) ?? planes.length;
    this.#bitmapCount = Math.ceil(bitmaps.length / GROUP) * GROUP;
    this.most = bitmaps.length + 2 ** planes.length - 1;
    this.bits = this.#misses < 2 ** FEW_BITS && this.#planeCount < FEW_BITS ? FEW_BITS : MANY_BITS;
    this.#tables = place.tables.start(place.which);
    this.#fill(place.tables.pages);
  }

  /** Those of a cache that is in none. */
  get #misses(): number {
    return this.#bitmapCount + 2 ** this.#planeCount - 1;
  }

  #fill(pages: number): void {
    const { words, emptyPage } = this.#memory;
    for (let page = 0; page < pages; page++) {
      let at = this.#tables + page * TABLE_WORDS;
      for (let plane = 0; plane < this.#planeCount; plane++) {
        words[at++] = (this.#planes[plane]?.page(page) ?? emptyPage) * WORD_BYTES;
      }
      for (let empty = this.#bitmaps.length; empty < this.#bitmapCount; empty++) words[at++] = emptyPage * WORD_BYTES;
      for (const bitmap of this.#bitmaps) words[at++] = bitmap.page(page) * WORD_BYTES;
    }
  }

  /** Makes the kernel's count at `address` one of caches with at least `least`, by counters of so many bits. */
  tell(address: number, { least, bits, among }: { least: number; bits: number; among: number }): void {
    const { words } = this.#memory;
    const at = address / WORD_BYTES;
    words[at + COUNT.tables / WORD_BYTES] = this.#tables * WORD_BYTES;
    words[at + COUNT.planes / WORD_BYTES] = this.#planeCount;
    words[at + COUNT.size / WORD_BYTES] = (this.#planeCount + this.#bitmapCount) * WORD_BYTES;
    words[at + COUNT.among / WORD_BYTES] = among;
    const start = 2 ** bits - 1 - Math.min(Math.max(this.#misses - least, 0), 2 ** bits - 1);
    for (let bit = 0; bit < bits; bit++) {
      const vector = at + (COUNT.start + bit * VECTOR_BYTES) / WORD_BYTES;
      words.fill(-((start >>> bit) & 1), vector, vector + BLOCK_WORDS);
    }
  }

  /** How many one cache has. */
  countOne(ordinal: number): number {
    let count = 0;
    for (const bitmap of this.#bitmaps) count += this.#bit(bitmap, ordinal);
    for (let plane = 0; plane < this.#planes.length; plane++) {
      count += this.#bit(this.#planes[plane], ordinal) << plane;
    }
    return count;
  }

  #bit(bits: Bits | undefined, ordinal: number): number {
    if (bits === undefined) return 0;
    const word = bits.page(ordinal >>> PAGE_ORDINAL_BITS) + ((ordinal >>> 5) & (PAGE_WORDS - 1));
    return ((this.#memory.words[word] ?? 0) >>> (ordinal & 31)) & 1;
  }
}
