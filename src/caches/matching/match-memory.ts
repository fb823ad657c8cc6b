import { createKernel, type Kernel } from './match-kernel.ts';
import { type Memory, newMemory } from './match-wasm.ts';

/** Ordinals whose bits one page has. */
export const PAGE_ORDINAL_BITS = 16;
export const PAGE_WORDS = 1 << (PAGE_ORDINAL_BITS - 5);
export const PAGE_ORDINAL_MASK = (1 << PAGE_ORDINAL_BITS) - 1;
export const WORD_BYTES = 4;
const PAGE_BYTES = PAGE_WORDS * WORD_BYTES;
/** What WebAssembly grows by. */
const GROWTH_BYTES = 64 * 1024;
const PAGES_PER_GROWTH = GROWTH_BYTES / PAGE_BYTES;

/**
 * The bits of an index at one place that its kernel can read: pages of words, named by the word that they begin at. The first
 * page is room for the kernel's arguments and results; the second is always empty, and stands for every page without a bit.
 */
export class MatchMemory {
  /** All words; another array after each growth, so nobody may keep it. */
  words: Int32Array;
  readonly kernel: Kernel;
  readonly emptyPage = PAGE_WORDS;
  readonly #memory: Memory = newMemory();
  readonly #free: number[] = [];
  #end = 2 * PAGE_WORDS;

  constructor() {
    this.words = new Int32Array(this.#memory.buffer);
    this.kernel = createKernel(this.#memory);
  }

  /** Pages one after the other, without a bit. */
  take(count: number): number {
    const free = count === 1 ? this.#free.pop() : undefined;
    if (free !== undefined) return free;
    const start = this.#end;
    this.#end += count * PAGE_WORDS;
    const lacking = this.#end - this.words.length;
    if (lacking > 0) {
      // An eighth more each time: growing is cheap, but makes every view of the memory anew.
      const pages = Math.max(lacking / PAGE_WORDS, this.words.length / PAGE_WORDS / 8);
      this.#memory.grow(Math.ceil(pages / PAGES_PER_GROWTH));
      this.words = new Int32Array(this.#memory.buffer);
    }
    return start;
  }

  give(start: number, count: number = 1): void {
    this.words.fill(0, start, start + count * PAGE_WORDS);
    for (let page = start; page < start + count * PAGE_WORDS; page += PAGE_WORDS) this.#free.push(page);
  }
}

/** Bits of all ordinals below a space in pages one after the other: word `o >>> 5` from `start` on. */
export class BitRun {
  start = 0;
  #pages = 0;
  readonly #memory: MatchMemory;

  constructor(memory: MatchMemory) {
    this.#memory = memory;
  }

  /** Makes room for the ordinals below `space`; the bits stay. */
  reserve(space: number): void {
    const pages = Math.ceil(space / (PAGE_WORDS * 32));
    if (pages <= this.#pages) return;
    const start = this.#memory.take(pages);
    const { words } = this.#memory;
    words.copyWithin(start, this.start, this.start + this.#pages * PAGE_WORDS);
    if (this.#pages > 0) this.#memory.give(this.start, this.#pages);
    this.start = start;
    this.#pages = pages;
  }

  clear(): void {
    this.#memory.words.fill(0, this.start, this.start + this.#pages * PAGE_WORDS);
  }

  /** Where the page of this number begins. */
  page(number: number): number {
    return number < this.#pages ? this.start + number * PAGE_WORDS : this.#memory.emptyPage;
  }
}
