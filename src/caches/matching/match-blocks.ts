import { Column } from './match-int-lists.ts';
import { BitRun, type MatchMemory } from './match-memory.ts';

/** Ordinals of one block: a whole number of words, so that blocks lie in bitmaps without sharing a word. */
export const BLOCK_BITS = 7;
export const BLOCK_SLOTS = 1 << BLOCK_BITS;
export const BLOCK_WORDS = BLOCK_SLOTS / 32;
const SLOT_MASK = BLOCK_SLOTS - 1;

/** What decides between caches that match equally well: the smallest, then the newest, then the lowest id comes first. */
export type TieKey = { readonly sizeGib: number; readonly createdAtMs: number; readonly id: string };

export function compareTieKeys(a: TieKey, b: TieKey): number {
  if (a.sizeGib !== b.sizeGib) return a.sizeGib - b.sizeGib;
  if (a.createdAtMs !== b.createdAtMs) return b.createdAtMs - a.createdAtMs;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** Caches whose keys lie between `low` (included) and the `low` of the next block; in no order within the block. */
export type Block = {
  readonly number: number;
  low: TieKey;
  readonly keys: (TieKey | undefined)[];
  count: number;
};

const LOWEST: TieKey = { sizeGib: Number.NEGATIVE_INFINITY, createdAtMs: Number.POSITIVE_INFINITY, id: '' };
/** An insertion so near to an end of a full block cuts there, so that caches that come in order leave full blocks behind. */
const EDGE_SHARE = 8;

/**
 * Gives caches ordinals such that walking the blocks in `order` walks the caches in tie order, block by block, while putting
 * one in or taking one out changes the ordinals of at most half a block of others.
 */
export class Blocks {
  /** In tie order. */
  readonly order: Block[] = [];
  /** A bit for each ordinal in use. */
  readonly used: BitRun;
  readonly #memory: MatchMemory;
  readonly #byNumber: (Block | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #ranks = new Column();
  #numbers = new Int32Array(0);
  #areRanksOld = false;
  readonly #capacity: number;
  readonly #moved: (from: number, to: number) => void;

  /** `moved` is told of each cache that gets another ordinal. */
  constructor(memory: MatchMemory, capacity: number, moved: (from: number, to: number) => void) {
    this.#memory = memory;
    this.used = new BitRun(memory);
    this.#capacity = Math.min(capacity, BLOCK_SLOTS);
    this.#moved = moved;
  }

  /** One more than the highest ordinal that can be in use. */
  get space(): number {
    return this.#byNumber.length << BLOCK_BITS;
  }

  key(ordinal: number): TieKey {
    return this.#byNumber[ordinal >>> BLOCK_BITS]?.keys[ordinal & SLOT_MASK] ?? LOWEST;
  }

  /** Place of an ordinal's block in `order`. */
  rank(ordinal: number): number {
    this.#renewRanks();
    return this.#ranks.get(ordinal >>> BLOCK_BITS);
  }

  /** Numbers of the blocks in tie order, at one place in memory; valid until the next change. */
  numbers(): Int32Array {
    this.#renewRanks();
    return this.#numbers;
  }

  #renewRanks(): void {
    if (!this.#areRanksOld) return;
    this.#numbers = Int32Array.from(this.order, (block) => block.number);
    for (let rank = 0; rank < this.#numbers.length; rank++) this.#ranks.set(this.#numbers[rank] ?? 0, rank);
    this.#areRanksOld = false;
  }

  /** Place in `order` of the block that a key belongs to. */
  rankOfKey(key: TieKey): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.order[middle];
      if (block !== undefined && compareTieKeys(block.low, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return Math.max(low - 1, 0);
  }

  /** Puts in a cache that is not there; its ordinal. */
  insert(key: TieKey): number {
    const rank = this.rankOfKey(key);
    const block = this.order[rank] ?? this.#newBlock(0, LOWEST);
    return this.#put(block.count < this.#capacity ? block : this.#split(block, rank, key), key);
  }

  remove(ordinal: number): void {
    const block = this.#byNumber[ordinal >>> BLOCK_BITS];
    if (block === undefined) return;
    this.#clear(block, ordinal);
    if (block.count <= this.#capacity >> 2) this.#merge(block);
  }

  /** Makes room for a key in a full block by giving the smaller side of the cut to a new block; the block to put it in. */
  #split(block: Block, rank: number, key: TieKey): Block {
    const sorted = ordinals(block).toSorted((a, b) => compareTieKeys(this.key(a), this.key(b)));
    const at = sorted.filter((ordinal) => compareTieKeys(this.key(ordinal), key) < 0).length;
    const keyAt = (index: number) => this.key(sorted[index] ?? -1);
    const edge = Math.floor(sorted.length / EDGE_SHARE);
    // The newest of a size goes first after a cut: those to come, newer still, then go beside it.
    const newestOfSize = at > 0 && keyAt(at - 1).sizeGib < key.sizeGib;
    // Elsewhere a quarter is cut off: what moves takes time.
    const quarter = Math.max(sorted.length >> 2, 1);
    const cut = newestOfSize || at <= edge || at >= sorted.length - edge ? at : sorted.length - quarter;
    const isUpper = at > cut || (at === cut && (newestOfSize || at > edge));
    const upperFirst = isUpper && at === cut ? key : keyAt(cut);
    const lowerLast = !isUpper && at === cut ? key : keyAt(cut - 1);
    const low =
      lowerLast.sizeGib < upperFirst.sizeGib
        ? { sizeGib: upperFirst.sizeGib, createdAtMs: Number.POSITIVE_INFINITY, id: '' }
        : upperFirst;
    const isLowerMoved = cut <= sorted.length >> 1;
    const fresh = isLowerMoved ? this.#newBlock(rank, block.low) : this.#newBlock(rank + 1, low);
    if (isLowerMoved) block.low = low;
    this.#give(block, fresh, isLowerMoved ? sorted.slice(0, cut) : sorted.slice(cut));
    return isUpper === isLowerMoved ? block : fresh;
  }

  /** Empties a block into a neighbour with room enough to stay roomy; an empty one just goes. */
  #merge(block: Block): void {
    const rank = this.rank(block.number << BLOCK_BITS);
    const room = (other: Block | undefined) =>
      other !== undefined && other.count + block.count <= (this.#capacity * 3) >> 2;
    const previous = this.order[rank - 1];
    const next = this.order[rank + 1];
    const target = room(previous) ? previous : room(next) ? next : undefined;
    if (target !== undefined) this.#give(block, target, ordinals(block));
    if (block.count > 0) return;
    const after = this.order[rank + 1];
    if (after !== undefined && (target === undefined || target === next)) after.low = block.low;
    this.order.splice(rank, 1);
    this.#byNumber[block.number] = undefined;
    this.#free.push(block.number);
    this.#areRanksOld = true;
  }

  #give(from: Block, to: Block, moving: readonly number[]): void {
    for (const ordinal of moving) {
      const key = this.key(ordinal);
      this.#clear(from, ordinal);
      this.#moved(ordinal, this.#put(to, key));
    }
  }

  #newBlock(rank: number, low: TieKey): Block {
    const number = this.#free.pop() ?? this.#byNumber.length;
    const block = { number, low, keys: [], count: 0 };
    this.#byNumber[number] = block;
    this.order.splice(rank, 0, block);
    this.#areRanksOld = true;
    return block;
  }

  #put(block: Block, key: TieKey): number {
    let slot = block.count;
    if (block.keys[slot] !== undefined) slot = block.keys.indexOf(undefined);
    if (slot < 0) slot = block.keys.length;
    block.keys[slot] = key;
    const ordinal = (block.number << BLOCK_BITS) + slot;
    this.#setUsed(ordinal, true);
    block.count++;
    return ordinal;
  }

  #clear(block: Block, ordinal: number): void {
    const slot = ordinal & SLOT_MASK;
    block.keys[slot] = undefined;
    this.#setUsed(ordinal, false);
    block.count--;
  }

  #setUsed(ordinal: number, isUsed: boolean): void {
    this.used.reserve(ordinal + 1);
    const { words } = this.#memory;
    const word = this.used.start + (ordinal >>> 5);
    const bit = 1 << (ordinal & 31);
    words[word] = isUsed ? (words[word] ?? 0) | bit : (words[word] ?? 0) & ~bit;
  }
}

/** The ordinals in use in a block. */
export function ordinals(block: Block): number[] {
  const found: number[] = [];
  for (const [slot, key] of block.keys.entries()) {
    if (key !== undefined) found.push((block.number << BLOCK_BITS) + slot);
  }
  return found;
}
