import { BlockCounter } from './match-block-counter.ts';
import { BLOCK_BITS, BLOCK_WORDS } from './match-blocks.ts';
import type { ScanContext } from './match-context.ts';
import type { Goal } from './match-goal.ts';
import { ARGUMENTS, COUNT } from './match-kernel.ts';
import type { DenseList } from './match-lists.ts';
import { WORD_BYTES } from './match-memory.ts';
import { type Bitmap, lowestOrdinal } from './match-postings.ts';

/** Offers the wanted caches of all, in tie order: counts the matches of a block at once, with the short lists made bitmaps. */
export function scanBlocks(context: ScanContext, goal: Goal): void {
  const { data, lists, scratch } = context;
  const { termSums, repositorySums } = scratch;
  try {
    for (const sums of [termSums, repositorySums]) sums.begin(data.blocks.space);
    for (const list of lists.sparseTerms) termSums.add(list);
    for (const list of lists.sparseRepositories) repositorySums.add(list);
    countBlocks(context, goal);
  } finally {
    termSums.clear();
    repositorySums.clear();
  }
}

function countBlocks({ data, lists, scratch, scorer }: ScanContext, goal: Goal): void {
  const { termSums, repositorySums, tables } = scratch;
  const { blocks, memory } = data;
  tables.begin(blocks);
  const fullBits = { bitmaps: bitmapsOf(lists.denseTerms), planes: termSums.planes() };
  const hitBits = { bitmaps: bitmapsOf(lists.denseRepositories), planes: repositorySums.planes() };
  const full = new BlockCounter(memory, fullBits, { tables, which: 0 });
  const hits = new BlockCounter(memory, hitBits, { tables, which: 1 });
  const bits = Math.max(full.bits, hits.bits);
  const scan = full.bits === bits ? memory.kernel.scan[full.bits] : memory.kernel.scan[hits.bits];
  // Nothing below takes memory, so that the words stay where they are.
  const { words } = memory;
  words[ARGUMENTS.used / WORD_BYTES] = blocks.used.start * WORD_BYTES;
  const wanted = ARGUMENTS.wanted / WORD_BYTES;
  const told = new Map<number, number>();

  /** Tells the kernel what is wanted from a place in the order on; up to where that is so. */
  function tell(rank: number): number {
    const { ceiling } = goal;
    const isPast = rank > goal.rank;
    const isBefore = ceiling !== undefined && rank < ceiling.rank;
    count(full, { at: ARGUMENTS.full, least: goal.full, among: 0 });
    count(hits, { at: ARGUMENTS.hits, least: goal.hits + (isPast ? 1 : 0), among: ARGUMENTS.full + COUNT.exactly });
    words[ARGUMENTS.hasCeiling / WORD_BYTES] = ceiling === undefined ? 0 : 1;
    if (ceiling !== undefined) {
      const least = ceiling.hits + (isBefore ? 0 : 1);
      count(full, { at: ARGUMENTS.fullCeiling, least: ceiling.full, among: ARGUMENTS.wanted });
      count(hits, { at: ARGUMENTS.hitsCeiling, least, among: ARGUMENTS.fullCeiling + COUNT.exactly });
    }
    return Math.min(numbers.length, isPast ? numbers.length : goal.rank + 1, isBefore ? ceiling.rank : numbers.length);
  }

  function count(counter: BlockCounter, { at, least, among }: { at: number; least: number; among: number }): void {
    // Most that is told again is as before.
    if (told.get(at) === least) return;
    told.set(at, least);
    counter.tell(at, { least, bits, among: least > counter.most ? ARGUMENTS.none : among });
  }

  function offerFound(block: number): void {
    const firstWord = block << (BLOCK_BITS - 5);
    for (let index = 0; index < BLOCK_WORDS; index++) {
      for (let rest = words[wanted + index] ?? 0; rest !== 0; rest &= rest - 1) {
        const ordinal = lowestOrdinal(firstWord + index, rest);
        if (!scorer.wasSeen(ordinal)) goal.offer(ordinal, full.countOne(ordinal), hits.countOne(ordinal));
      }
    }
  }

  const numbers = blocks.numbers();
  const first = tables.address(0);
  for (let rank = 0; rank < numbers.length; ) {
    if (full.most < goal.full) return;
    if (rank > goal.rank && full.most === goal.full && hits.most <= goal.hits) return;
    const end = tell(rank);
    rank = (scan(tables.address(rank), tables.address(end)) - first) / WORD_BYTES;
    if (rank < end) offerFound(numbers[rank++] ?? 0);
  }
}

/** A bitmap counts as often as its weight says. */
function bitmapsOf(lists: readonly DenseList[]): Bitmap[] {
  const bitmaps: Bitmap[] = [];
  for (const { bitmap, weight } of lists) for (let time = 0; time < weight; time++) bitmaps.push(bitmap);
  return bitmaps;
}
