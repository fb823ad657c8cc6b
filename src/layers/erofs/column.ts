const PAGE_BITS = 12;
const PAGE_MASK = (1 << PAGE_BITS) - 1;

type Page = Uint8Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/**
 * One field of all inodes: numbers by index, 0 where none was set. They lie outside of V8's heap, where nobody marks or moves
 * them, in pages: growing copies nothing, and a field that no inode has takes nothing.
 */
export class Column {
  readonly #newPage: () => Page;
  readonly #pages: (Page | undefined)[] = [];

  constructor(Numbers: new (length: number) => Page) {
    this.#newPage = () => new Numbers(1 << PAGE_BITS);
  }

  get(index: number): number {
    return this.#pages[index >>> PAGE_BITS]?.[index & PAGE_MASK] ?? 0;
  }

  set(index: number, value: number): void {
    const at = index >>> PAGE_BITS;
    let page = this.#pages[at];
    if (!page) {
      // No value needs no page. Those before are there at least as holes: an array with elements left out is a slow one.
      if (value === 0) return;
      while (this.#pages.length < at) this.#pages.push(undefined);
      page = this.#newPage();
      this.#pages[at] = page;
    }
    page[index & PAGE_MASK] = value;
  }

  /** Gives the memory back at once, where the collector would take its time. */
  free(): void {
    for (const page of this.#pages.splice(0)) page?.buffer.transfer(0);
  }
}
