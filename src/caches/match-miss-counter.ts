/**
 * Counts, for 32 caches at once, in how many bitmaps each is missing: bit n of `bits0`, `bits1`, … together is the count of
 * cache n, as a vertical counter that starts so high that it overflows with one miss too many.
 */
export class MissCounter {
  /** Caches missing at most `allowed` times. */
  within = 0;
  /** Caches missing exactly `allowed` times. */
  exactly = 0;

  /** `pages[i][word]` are the bits of bitmap i for the caches of `among`; those that most are missing in should come first. */
  count(pages: readonly Uint32Array[], word: number, among: number, allowed: number): void {
    this.within = 0;
    this.exactly = 0;
    if (allowed < 0) return;
    if (allowed > pages.length) this.within = among;
    else if (allowed === 0) this.#countNone(pages, word, among);
    else if (allowed < 8) this.#countFew(pages, word, among, allowed);
    else this.#countMany(pages, word, among, allowed);
  }

  #countNone(pages: readonly Uint32Array[], word: number, among: number): void {
    let within = among;
    for (let index = 0; index < pages.length && within !== 0; index++) within &= pages[index]?.[word] ?? 0;
    this.within = within;
    this.exactly = within;
  }

  #countFew(pages: readonly Uint32Array[], word: number, among: number, allowed: number): void {
    const start = 7 - allowed;
    let within = among;
    let [bits0, bits1, bits2] = [-(start & 1), -((start >> 1) & 1), -((start >> 2) & 1)];
    for (let index = 0; index < pages.length; index++) {
      const misses = within & ~(pages[index]?.[word] ?? 0);
      if (misses === 0) continue;
      const carry0 = bits0 & misses;
      bits0 ^= misses;
      const carry1 = bits1 & carry0;
      bits1 ^= carry0;
      within &= ~(bits2 & carry1);
      bits2 ^= carry1;
      if (within === 0) return;
    }
    this.within = within;
    this.exactly = within & bits0 & bits1 & bits2;
  }

  #countMany(pages: readonly Uint32Array[], word: number, among: number, allowed: number): void {
    const start = 1023 - allowed;
    let within = among;
    const bits = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((bit) => -((start >> bit) & 1));
    for (let index = 0; index < pages.length; index++) {
      let carry = within & ~(pages[index]?.[word] ?? 0);
      for (let bit = 0; bit < bits.length && carry !== 0; bit++) {
        const before = bits[bit] ?? 0;
        bits[bit] = before ^ carry;
        carry &= before;
      }
      within &= ~carry;
      if (within === 0) return;
    }
    this.within = within;
    this.exactly = bits.reduce((all, one) => all & one, within);
  }
}
