import { MAX_MATCH_IMAGES } from '../limits.ts';
import { BLOCK_BITS, BLOCK_WORDS } from './match-blocks.ts';
import { type MatchMemory, PAGE_ORDINAL_BITS, PAGE_WORDS } from './match-memory.ts';

/** Bits of all ordinals, in pages. */
export type Bits = { page(number: number): number };

/** The counters have eight bits: room for the misses of 100 bitmaps and of a sum up to 127. */
const MOST = 255;
/** Bitmaps that are added up before they are carried on. */
const GROUP = 4;
const PAIR_WORDS = 2;
const MAX_PLANES = 7;
/** Of one page's table: all bitmaps, some of them in pairs with their levels. */
const TABLE_WORDS = MAX_MATCH_IMAGES + MAX_PLANES * PAIR_WORDS + GROUP * PAIR_WORDS;
const BLOCKS_PER_PAGE_BITS = PAGE_ORDINAL_BITS - BLOCK_BITS;
const BLOCK_IN_PAGE_MASK = (1 << BLOCKS_PER_PAGE_BITS) - 1;
const WORD_BYTES = 4;

/** Where counters keep their tables: as many pages as it takes, and they stay for the next query. */
export class TableRoom {
  readonly #pages: number[] = [];
  readonly #memory: MatchMemory;
  static readonly #perPage = Math.floor(PAGE_WORDS / TABLE_WORDS);

  constructor(memory: MatchMemory) {
    this.#memory = memory;
  }

  /** The word where a table begins. */
  table(number: number): number {
    const page = Math.floor(number / TableRoom.#perPage);
    while (this.#pages.length <= page) this.#pages.push(this.#memory.take(1));
    return (this.#pages[page] ?? 0) + (number % TableRoom.#perPage) * TABLE_WORDS;
  }
}

/**
 * Counts for all caches of a block at once how many bitmaps each is in: in fact how many it is missing in, from so high a
 * start that the counter overflows with one miss too many. Most do so soon, and the rest of their block is skipped.
 */
export class BlockCounter {
  /** The most that a cache can have. */
  readonly most: number;
  /** Words of the caches with at least as many as asked; then, BLOCK_WORDS on, of those with exactly as many. */
  readonly result: number;
  readonly #memory: MatchMemory;
  readonly #tables: number[] = [];
  readonly #pairWords: number;
  readonly #tableWords: number;
  readonly #bitmaps: readonly Bits[];
  readonly #planes: readonly Bits[];

  /**
   * `planes` are further bitmaps, of which number p counts 2^p. Bitmaps that most are missing in should come first. There are
   * tables in `room` for `pages` pages from number `pages · which` on, and results at place `which`.
   */
  constructor(
    memory: MatchMemory,
    bits: { readonly bitmaps: readonly Bits[]; readonly planes: readonly Bits[] },
    place: { readonly room: TableRoom; readonly pages: number; readonly which: 0 | 1 },
  ) {
    const { bitmaps, planes } = bits;
    this.#memory = memory;
    this.#bitmaps = bitmaps;
    this.#planes = planes;
    this.most = bitmaps.length + 2 ** planes.length - 1;
    this.result = memory.arguments + (place.which + 1) * 2 * BLOCK_WORDS;
    const left = bitmaps.length % GROUP;
    this.#pairWords = (planes.length + left) * PAIR_WORDS;
    this.#tableWords = this.#pairWords + bitmaps.length - left;
    for (let page = 0; page < place.pages; page++) {
      const table = place.room.table(place.pages * place.which + page);
      const pairs = [
        ...planes.flatMap((plane, level) => [plane.page(page), level]),
        ...bitmaps.slice(0, left).flatMap((bitmap) => [bitmap.page(page), 0]),
      ];
      const inBytes = pairs.map((value, index) => (index % PAIR_WORDS === 0 ? value * WORD_BYTES : value));
      memory.words.set([...inBytes, ...bitmaps.slice(left).map((bitmap) => bitmap.page(page) * WORD_BYTES)], table);
      this.#tables.push(table);
    }
  }

  /** Of the caches of a block, those of the words from `among` on; true when some have at least `least`. */
  count(block: number, least: number, among: number): boolean {
    const allowed = this.most - least;
    if (allowed < 0) {
      this.#memory.words.fill(0, this.result, this.result + 2 * BLOCK_WORDS);
      return false;
    }
    const table = this.#tables[block >>> BLOCKS_PER_PAGE_BITS] ?? 0;
    const any = this.#memory.kernel(
      table * WORD_BYTES,
      (table + this.#pairWords) * WORD_BYTES,
      (table + this.#tableWords) * WORD_BYTES,
      (block & BLOCK_IN_PAGE_MASK) * BLOCK_WORDS * WORD_BYTES,
      MOST - Math.min(allowed, MOST),
      among * WORD_BYTES,
      this.result * WORD_BYTES,
    );
    return any !== 0;
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
