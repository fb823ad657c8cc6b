import { BlockCounter } from './match-block-counter.ts';
import { BLOCK_BITS, BLOCK_WORDS } from './match-blocks.ts';
import type { ScanContext } from './match-context.ts';
import type { Goal } from './match-goal.ts';
import type { DenseList } from './match-lists.ts';
import { PAGE_ORDINAL_BITS } from './match-memory.ts';
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
  const { termSums, repositorySums, room } = scratch;
  const { memory } = data;
  const pages = Math.ceil(data.blocks.space / (1 << PAGE_ORDINAL_BITS));
  const fullBits = { bitmaps: bitmapsOf(lists.denseTerms), planes: termSums.planes() };
  const hitBits = { bitmaps: bitmapsOf(lists.denseRepositories), planes: repositorySums.planes() };
  const full = new BlockCounter(memory, fullBits, { room, pages, which: 0 });
  const hits = new BlockCounter(memory, hitBits, { room, pages, which: 1 });
  const { ceiling } = goal;
  // Nothing below takes memory, so that the words stay where they are.
  const { words } = memory;
  const used = data.blocks.used.start;
  const wanted = memory.arguments;
  const exactly = full.result + BLOCK_WORDS;

  /** Those wanted by a count of at least `least` full matches, and where it is as many, of `leastHits` hits. */
  function better(index: number): number {
    return ((words[full.result + index] ?? 0) & ~(words[exactly + index] ?? 0)) | (words[hits.result + index] ?? 0);
  }

  /** Leaves out those better than the goal's ceiling. */
  function leaveOutTooGood(block: number, rank: number): void {
    if (ceiling === undefined) return;
    full.count(block, ceiling.full, wanted);
    hits.count(block, ceiling.hits + (rank < ceiling.rank ? 0 : 1), exactly);
    for (let index = 0; index < BLOCK_WORDS; index++) {
      words[wanted + index] = (words[wanted + index] ?? 0) & ~better(index);
    }
  }

  function scanBlock(block: number, rank: number): void {
    const firstWord = block << (BLOCK_BITS - 5);
    if (!full.count(block, goal.full, used + firstWord)) return;
    hits.count(block, goal.hits + (rank > goal.rank ? 1 : 0), exactly);
    for (let index = 0; index < BLOCK_WORDS; index++) words[wanted + index] = better(index);
    leaveOutTooGood(block, rank);
    for (let index = 0; index < BLOCK_WORDS; index++) {
      for (let rest = words[wanted + index] ?? 0; rest !== 0; rest &= rest - 1) {
        const ordinal = lowestOrdinal(firstWord + index, rest);
        if (!scorer.wasSeen(ordinal)) goal.offer(ordinal, full.countOne(ordinal), hits.countOne(ordinal));
      }
    }
  }

  const numbers = data.blocks.numbers();
  for (let rank = 0; rank < numbers.length; rank++) {
    if (goal.isDone || full.most < goal.full) return;
    if (rank > goal.rank && full.most === goal.full && hits.most <= goal.hits) return;
    scanBlock(numbers[rank] ?? 0, rank);
  }
}

/** A bitmap counts as often as its weight says. */
function bitmapsOf(lists: readonly DenseList[]): Bitmap[] {
  return lists.flatMap((list) => Array.from({ length: list.weight }, () => list.bitmap));
}
