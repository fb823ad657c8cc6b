import { Column, IntLists } from './match-int-lists.ts';

/** Ordinals of one page of a bitmap; a whole number of blocks. */
export const BITMAP_PAGE_BITS = 16;
export const BITMAP_PAGE_WORDS = 1 << (BITMAP_PAGE_BITS - 5);
const ORDINAL_MASK = (1 << BITMAP_PAGE_BITS) - 1;
/** Stands for every page without a bit; never written. */
export const EMPTY_BITMAP_PAGE = new Uint32Array(BITMAP_PAGE_WORDS);

/** One bit for every this many ordinals makes a bitmap worth it: at most twice the memory of numbers, and far faster to count. */
const DENSE_SHARE = 64;
/** Below one bit in this many, it turns back into numbers. */
const SPARSE_SHARE = 256;

/** A set of ordinals as bits. */
export class Bitmap {
  readonly pages: Uint32Array[] = [];
  count = 0;

  has(ordinal: number): boolean {
    return ((this.word(ordinal) >>> (ordinal & 31)) & 1) === 1;
  }

  /** The bits of the 32 ordinals from a multiple of 32 on. */
  word(ordinal: number): number {
    return this.pages[ordinal >>> BITMAP_PAGE_BITS]?.[(ordinal & ORDINAL_MASK) >>> 5] ?? 0;
  }

  add(ordinal: number): void {
    if (this.has(ordinal)) return;
    const number = ordinal >>> BITMAP_PAGE_BITS;
    while (this.pages.length <= number) this.pages.push(EMPTY_BITMAP_PAGE);
    let page = this.pages[number] ?? EMPTY_BITMAP_PAGE;
    if (page === EMPTY_BITMAP_PAGE) {
      page = new Uint32Array(BITMAP_PAGE_WORDS);
      this.pages[number] = page;
    }
    const word = (ordinal & ORDINAL_MASK) >>> 5;
    page[word] = (page[word] ?? 0) | (1 << (ordinal & 31));
    this.count++;
  }

  delete(ordinal: number): void {
    if (!this.has(ordinal)) return;
    const page = this.pages[ordinal >>> BITMAP_PAGE_BITS] ?? EMPTY_BITMAP_PAGE;
    const word = (ordinal & ORDINAL_MASK) >>> 5;
    page[word] = (page[word] ?? 0) & ~(1 << (ordinal & 31));
    this.count--;
  }

  /** All ordinals, ascending. */
  ordinals(): number[] {
    const found: number[] = [];
    for (const [number, page] of this.pages.entries()) {
      if (page === EMPTY_BITMAP_PAGE) continue;
      for (const [index, word] of page.entries()) {
        const base = (number << BITMAP_PAGE_BITS) + (index << 5);
        for (let rest = word; rest !== 0; rest &= rest - 1) found.push(base + 31 - Math.clz32(rest & -rest));
      }
    }
    return found;
  }
}

/** Which caches (by ordinal) have a term: ascending numbers while they are few, a bitmap once they are many. */
export class Postings {
  readonly lists = new IntLists();
  readonly #bitmaps = new Map<number, Bitmap>();
  readonly #dense = new Column();

  readonly #minDenseLength: number;

  constructor(minDenseLength: number) {
    this.#minDenseLength = minDenseLength;
  }

  /** Its bitmap, when the list is kept as one. */
  bitmap(list: number): Bitmap | undefined {
    return this.#dense.get(list) === 0 ? undefined : this.#bitmaps.get(list);
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
    this.lists.insert(list, ordinal);
    const count = this.lists.count(list);
    if (count < this.#minDenseLength || count * DENSE_SHARE < space) return;
    const dense = new Bitmap();
    const [page, offset] = [this.lists.page(list), this.lists.offset(list)];
    for (let index = offset; index < offset + count; index++) dense.add(page[index] ?? 0);
    this.lists.clear(list);
    this.#bitmaps.set(list, dense);
    this.#dense.set(list, 1);
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
    this.#dense.set(list, 0);
    this.lists.assign(list, bitmap.ordinals());
  }
}
