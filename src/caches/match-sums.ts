import type { QueryList } from './match-lists.ts';
import type { Postings } from './match-postings.ts';

/**
 * The weights of the short lists that each cache is in, added up, as bitmaps: plane p has bit p of every cache's sum, so that
 * sums are counted on together with the lists that are bitmaps themselves.
 */
export class SparseSums {
  /** The planes in use, for all ordinals below the space they were begun with. */
  planes: Uint32Array[] = [];
  /** Has a bit for each cache with a sum. */
  any = new Uint32Array(0);
  readonly #all: Uint32Array[] = [];
  #words = 0;
  readonly #postings: Postings;

  constructor(postings: Postings) {
    this.#postings = postings;
  }

  begin(space: number): void {
    if (this.#words << 5 >= space) return;
    const words = (space + 31) >>> 5;
    this.#words = words + (words >> 2) + 4;
    this.#all.length = 0;
    this.any = new Uint32Array(this.#words);
  }

  add(list: QueryList): void {
    const { lists } = this.#postings;
    const page = lists.page(list.number);
    const offset = lists.offset(list.number);
    const { any } = this;
    const first = this.#plane(0);
    for (let index = offset; index < offset + list.count; index++) {
      const ordinal = page[index] ?? 0;
      const word = ordinal >>> 5;
      const bit = 1 << (ordinal & 31);
      any[word] = (any[word] ?? 0) | bit;
      // Mostly one list more, the first one of the cache.
      const ones = first[word] ?? 0;
      let carry = 0;
      let plane = 0;
      let rest = list.weight;
      if (rest === 1) {
        first[word] = ones ^ bit;
        if ((ones & bit) === 0) continue;
        carry = 1;
        plane = 1;
        rest = 0;
      }
      for (; rest !== 0 || carry !== 0; plane++, rest >>= 1) {
        const bits = this.#plane(plane);
        const before = bits[word] ?? 0;
        const digit = rest & 1;
        // Twice nothing leaves the bit, twice one leaves it too and is carried on.
        if (digit === carry) continue;
        bits[word] = before ^ bit;
        carry = (before & bit) === 0 ? 0 : 1;
      }
    }
  }

  /** Back to nothing added. */
  clear(): void {
    for (const plane of this.planes) plane.fill(0);
    if (this.planes.length > 0) this.any.fill(0);
    this.planes = [];
  }

  #plane(number: number): Uint32Array {
    const open = this.planes[number];
    if (open !== undefined) return open;
    const plane = this.#all[number] ?? new Uint32Array(this.#words);
    this.#all[number] = plane;
    this.planes.push(plane);
    return plane;
  }
}
