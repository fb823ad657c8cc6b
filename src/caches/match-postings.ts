import { Column, IntLists } from './match-int-lists.ts';

/** One bit for every this many ordinals makes a bitmap worth it: at most twice the memory of numbers, and far faster to count. */
const DENSE_SHARE = 64;
/** Below one bit in this many, it turns back into numbers. */
const SPARSE_SHARE = 256;

/** A set of ordinals as bits. */
export class Bitmap {
  /** Bit `o & 31` of word `o >>> 5` stands for ordinal o. */
  words: Uint32Array<ArrayBuffer>;
  count = 0;

  /** Makes room for the ordinals below `space`. */
  constructor(space: number) {
    this.words = new Uint32Array(wordsFor(space));
  }

  reserve(space: number): void {
    if (this.words.length << 5 >= space) return;
    const words = new Uint32Array(wordsFor(space));
    words.set(this.words);
    this.words = words;
  }

  has(ordinal: number): boolean {
    return (((this.words[ordinal >>> 5] ?? 0) >>> (ordinal & 31)) & 1) === 1;
  }

  add(ordinal: number): void {
    if (this.has(ordinal)) return;
    this.reserve(ordinal + 1);
    this.words[ordinal >>> 5] = (this.words[ordinal >>> 5] ?? 0) | (1 << (ordinal & 31));
    this.count++;
  }

  delete(ordinal: number): void {
    if (!this.has(ordinal)) return;
    this.words[ordinal >>> 5] = (this.words[ordinal >>> 5] ?? 0) & ~(1 << (ordinal & 31));
    this.count--;
  }

  /** All ordinals, ascending. */
  ordinals(): Uint32Array {
    const found = new Uint32Array(this.count);
    let count = 0;
    for (let index = 0; index < this.words.length; index++) {
      for (let rest = this.words[index] ?? 0; rest !== 0; rest &= rest - 1) found[count++] = lowestOrdinal(index, rest);
    }
    return found;
  }
}

/** The ordinal of the lowest bit that is set in a word. */
export function lowestOrdinal(word: number, bits: number): number {
  return (word << 5) + 31 - Math.clz32(bits & -bits);
}

/** With slack, so that a bitmap that grows at its end is copied seldom. */
function wordsFor(space: number): number {
  const words = (space + 31) >>> 5;
  return words + (words >> 3) + 4;
}

/** Which caches (by ordinal) have a term: ascending numbers while they are few, a bitmap once they are many. */
export class Postings {
  readonly lists = new IntLists();
  readonly #bitmaps = new Map<number, Bitmap>();
  readonly #isDense = new Column();

  readonly #minDenseLength: number;

  constructor(minDenseLength: number) {
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
    const dense = new Bitmap(space);
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
  }
}
