import type { ByteString } from './inode.ts';

const PAGE_BYTES = 1 << 20;
const LENGTH_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/** Byte strings that are kept outside of V8's heap, each with its length before it. */
export class ByteStore {
  readonly #pages: Buffer<ArrayBuffer>[] = [];
  /** Of the last page. 0 stands for nothing, so no string is there. */
  #used = LENGTH_BYTES;

  /** Keeps the bytes, and says where: 0 for none. */
  add(bytes: Uint8Array | ByteString): number {
    if (bytes.length === 0) return 0;
    const needed = LENGTH_BYTES + bytes.length;
    let page = this.#pages.at(-1);
    if (!page || page.length - this.#used < needed) {
      page = Buffer.allocUnsafeSlow(Math.max(PAGE_BYTES, LENGTH_BYTES + needed));
      this.#used = LENGTH_BYTES;
      this.#pages.push(page);
    }
    const at = this.#used;
    page.writeUInt32LE(bytes.length, at);
    if (typeof bytes === 'string') page.write(bytes, at + LENGTH_BYTES, 'latin1');
    else page.set(bytes, at + LENGTH_BYTES);
    this.#used += needed;
    return (this.#pages.length - 1) * PAGE_BYTES + at;
  }

  get(at: number): Buffer {
    if (at === 0) return NOTHING;
    const page = this.#pages[Math.floor(at / PAGE_BYTES)];
    if (!page) return NOTHING;
    const start = at % PAGE_BYTES;
    return page.subarray(start + LENGTH_BYTES, start + LENGTH_BYTES + page.readUInt32LE(start));
  }

  /** Gives the memory back at once. */
  free(): void {
    for (const page of this.#pages.splice(0)) page.buffer.transfer(0);
  }
}
