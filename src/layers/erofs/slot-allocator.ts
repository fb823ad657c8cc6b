import { BLOCK_BYTES, SLOT_BYTES } from './format.ts';

export const BLOCK_SLOTS = BLOCK_BYTES / SLOT_BYTES;

/**
 * Places for runs of slots that must not cross a block: each goes to the open block where it leaves the least, among equals
 * to the one opened or filled last. Any run takes about the same short time, and the same runs get the same places.
 */
export class SlotAllocator {
  /** Open blocks by the slots that are free in them. */
  readonly #open: number[][] = Array.from({ length: BLOCK_SLOTS + 1 }, () => []);
  #blocks = 0;

  /** Blocks that were opened so far. */
  get blocks(): number {
    return this.#blocks;
  }

  /** The first slot, counted over all blocks, of a run of at most BLOCK_SLOTS. */
  allocate(slots: number): number {
    let free = slots;
    while (free < BLOCK_SLOTS && this.#open[free]?.length === 0) free++;
    const block = this.#open[free]?.pop() ?? this.#blocks++;
    if (free > slots) this.#open[free - slots]?.push(block);
    return (block + 1) * BLOCK_SLOTS - free;
  }

  /** Nothing more goes to the blocks before this one. */
  closeBefore(block: number): void {
    for (const [free, blocks] of this.#open.entries()) this.#open[free] = blocks.filter((open) => open >= block);
  }
}
