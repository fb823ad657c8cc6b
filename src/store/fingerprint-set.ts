const MIN_SLOTS = 1024;
/** Two 32-bit numbers a slot. */
const WORDS = 2;

/** 64 bits, as two unsigned numbers of 32. */
export type Fingerprint = readonly [high: number, low: number];

/**
 * A set of fingerprints in one block of memory, 16 to 32 bytes each, that the garbage collector need not walk. Open addressing
 * with linear probing, at most half full; an empty slot is two zeros.
 */
export class FingerprintSet {
  #words = new Uint32Array(MIN_SLOTS * WORDS);
  #size = 0;

  has(fingerprint: Fingerprint): boolean {
    return this.#words[this.#slotOf(fingerprint)] !== 0;
  }

  add(fingerprint: Fingerprint): void {
    const slot = this.#slotOf(fingerprint);
    if (this.#words[slot] !== 0) return;
    this.#put(slot, fingerprint);
    this.#size++;
    if (this.#size * WORDS * 2 > this.#words.length) this.#grow();
  }

  /** Index of the fingerprint's low word, or of the empty slot where it would stand. */
  #slotOf([high, low]: Fingerprint): number {
    const words = this.#words;
    const mask = words.length - 1;
    const wanted = low || 1;
    let slot = (wanted * WORDS) & mask;
    while (words[slot] !== 0 && !(words[slot] === wanted && words[slot + 1] === high)) slot = (slot + WORDS) & mask;
    return slot;
  }

  #put(slot: number, [high, low]: Fingerprint): void {
    this.#words[slot] = low || 1;
    this.#words[slot + 1] = high;
  }

  #grow(): void {
    const before = this.#words;
    this.#words = new Uint32Array(before.length * 2);
    for (let slot = 0; slot < before.length; slot += WORDS) {
      const [low = 0, high = 0] = [before[slot], before[slot + 1]];
      if (low !== 0) this.#put(this.#slotOf([high, low]), [high, low]);
    }
  }
}
