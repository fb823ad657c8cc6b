import { Column, IntLists } from './match-int-lists.ts';
import { type MatchMemory, PAGE_ORDINAL_BITS, PAGE_ORDINAL_MASK, PAGE_WORDS } from './match-memory.ts';

/** One bit for every this many ordinals makes a bitmap worth it: at most twice the memory of numbers, and far faster to count. */
const DENSE_SHARE = 64;
/** Below one bit in this many, it turns back into numbers. */
const SPARSE_SHARE = 256;

/** A set of ordinals as bits. */
export class Bitmap {
  count = 0;
  readonly #memory: MatchMemory;
  readonly #pages: number[] = [];

  constructor(memory: MatchMemory) {
    this.#memory = memory;
  }

  /** Where the page of this number begins. */
  page(number: number): number {
    return this.#pages[number] ?? this.#memory.emptyPage;
  }

  /** The bits of 32 ordinals, those of `word << 5` and on. */
  word(word: number): number {
    return this.#memory.words[this.page(word >>> (PAGE_ORDINAL_BITS - 5)) + (word & (PAGE_WORDS - 1))] ?? 0;
  }

  has(ordinal: number): boolean {
    return ((this.word(ordinal >>> 5) >>> (ordinal & 31)) & 1) === 1;
  }

  add(ordinal: number): void {
    if (this.has(ordinal)) return;
    const number = ordinal >>> PAGE_ORDINAL_BITS;
    while (this.#pages.length <= number) this.#pages.push(this.#memory.emptyPage);
    if (this.#pages[number] === this.#memory.emptyPage) this.#pages[number] = this.#memory.take(1);
    this.#flip(ordinal);
    this.count++;
  }

  delete(ordinal: number): void {
    if (!this.has(ordinal)) return;
    this.#flip(ordinal);
    this.count--;
  }

  /** All ordinals, ascending. */
  ordinals(): Uint32Array {
    const found = new Uint32Array(this.count);
    let count = 0;
    for (let word = 0; word < this.#pages.length * PAGE_WORDS; word++) {
      for (let rest = this.word(word); rest !== 0; rest &= rest - 1) found[count++] = lowestOrdinal(word, rest);
    }
    return found;
  }

  /** Gives its memory back. */
  release(): void {
    for (const page of this.#pages) if (page !== this.#memory.emptyPage) this.#memory.give(page);
    this.#pages.length = 0;
    this.count = 0;
  }

  #flip(ordinal: number): void {
    const { words } = this.#memory;
    const at = this.page(ordinal >>> PAGE_ORDINAL_BITS) + ((ordinal & PAGE_ORDINAL_MASK) >>> 5);
    words[at] = (words[at] ?? 0) ^ (1 << (ordinal & 31));
  }
}

/** The ordinal of the lowest bit that is set in a word. */
export function lowestOrdinal(word: number, bits: number): number {
  return (word << 5) + 31 - Math.clz32(bits & -bits);
}

/** Which caches (by ordinal) have a term: ascending numbers while they are few, a bitmap once they are many. */
export class Postings {
  readonly lists = new IntLists();
  readonly #bitmaps = new Map<number, Bitmap>();
  readonly #isDense = new Column();
  readonly #memory: MatchMemory;
  readonly #minDenseLength: number;

  constructor(memory: MatchMemory, minDenseLength: number) {
    this.#memory = memory;
    this.#minDenseLength = minDenseLength;
  }

  /** Its bitmap, when the list is kept as one. */
  bitmap(list: number): Bitmap | undefined {
    return this.#isDense.get(list) === 0 ? undefined : this.#bitmaps.get(list);
  }

  count(list: number): number {
    return this.bitmap(list)?.count ?? this.lists.count(list);
  }

  /** `space` is the number of ordinals in use, free ones among them included. */
  add(list: number, ordinal: number, space: number): void {
    const bitmap = this.bitmap(list);
    if (bitmap !== undefined) {
      bitmap.add(ordinal);
      this.#thin(list, bitmap, space);
      return;
    }
    const count = this.lists.insert(list, ordinal);
    if (count < this.#minDenseLength || count * DENSE_SHARE < space) return;
    const dense = new Bitmap(this.#memory);
    const page = this.lists.page(list);
    const offset = this.lists.offset(list);
    for (let index = offset; index < offset + count; index++) dense.add(page[index] ?? 0);
    this.lists.clear(list);
    this.#bitmaps.set(list, dense);
    this.#isDense.set(list, 1);
  }

  remove(list: number, ordinal: number, space: number): void {
    const bitmap = this.bitmap(list);
    if (bitmap === undefined) {
      this.lists.delete(list, ordinal);
      return;
    }
    bitmap.delete(ordinal);
    this.#thin(list, bitmap, space);
  }

  #thin(list: number, bitmap: Bitmap, space: number): void {
    if (bitmap.count * 2 >= this.#minDenseLength && bitmap.count * SPARSE_SHARE >= space) return;
    this.#bitmaps.delete(list);
    this.#isDense.set(list, 0);
    this.lists.assign(list, bitmap.ordinals());
    bitmap.release();
  }
}
