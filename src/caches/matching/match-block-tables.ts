import type { Blocks } from './match-blocks.ts';
import { TABLE_BYTES } from './match-kernel.ts';
import { type MatchMemory, PAGE_ORDINAL_BITS, PAGE_WORDS, WORD_BYTES } from './match-memory.ts';

const COUNTERS = 2;
const TABLE_WORDS = TABLE_BYTES / WORD_BYTES;

/** Room in the kernel's memory, kept between queries. */
class Room {
  start = 0;
  #pages = 0;
  readonly #memory: MatchMemory;

  constructor(memory: MatchMemory) {
    this.#memory = memory;
  }

  reserve(words: number): void {
    if (words <= this.#pages * PAGE_WORDS) return;
    if (this.#pages > 0) this.#memory.give(this.start, this.#pages);
    this.#pages = Math.ceil((words + (words >> 2)) / PAGE_WORDS);
    this.start = this.#memory.take(this.#pages);
  }
}

/** What the kernel reads to find its way: the order of the blocks, and where bitmaps lie, a table for each page of them. */
export class BlockTables {
  /** Pages of bitmaps, each with a table. */
  pages = 0;
  readonly #tables: Room;
  readonly #numbers: Room;
  readonly #memory: MatchMemory;
  #known: Int32Array | undefined;

  constructor(memory: MatchMemory) {
    this.#memory = memory;
    this.#tables = new Room(memory);
    this.#numbers = new Room(memory);
  }

  /** Takes memory for the next query. */
  begin(blocks: Blocks): void {
    this.pages = Math.ceil(blocks.space / (1 << PAGE_ORDINAL_BITS));
    this.#tables.reserve(this.pages * TABLE_WORDS * COUNTERS);
    const numbers = blocks.numbers();
    if (numbers === this.#known) return;
    this.#numbers.reserve(numbers.length);
    this.#memory.words.set(numbers, this.#numbers.start);
    this.#known = numbers;
  }

  /** The word where the tables of a counter begin. */
  start(which: 0 | 1): number {
    return this.#tables.start + which * this.pages * TABLE_WORDS;
  }

  /** The address of the number of the block at a place in their order. */
  address(rank: number): number {
    return (this.#numbers.start + rank) * WORD_BYTES;
  }
}
