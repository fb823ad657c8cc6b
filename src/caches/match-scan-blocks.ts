import { BlockCounter } from './match-block-counter.ts';
import { BLOCK_BITS, BLOCK_WORDS } from './match-blocks.ts';
import type { Goal } from './match-goal.ts';
import type { DenseList } from './match-lists.ts';
import { lowestOrdinal } from './match-postings.ts';
import type { ScanContext } from './match-scan.ts';

/** Offers the wanted caches of all, in tie order: counts the matches of 32 caches at once, with the short lists made bitmaps. */
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
  const { termSums, repositorySums } = scratch;
  const full = new BlockCounter(bitmapsOf(lists.denseTerms), termSums);
  const hits = new BlockCounter(bitmapsOf(lists.denseRepositories), repositorySums);
  const wanted = new Int32Array(BLOCK_WORDS);
  const { ceiling } = goal;

  /** Leaves out those better than the goal's ceiling. */
  function leaveOutTooGood(firstWord: number, rank: number): void {
    if (ceiling === undefined) return;
    full.count(firstWord, ceiling.full, wanted);
    hits.count(firstWord, ceiling.hits + (rank < ceiling.rank ? 0 : 1), full.exactly);
    for (let index = 0; index < BLOCK_WORDS; index++) {
      const tooGood = ((full.atLeast[index] ?? 0) & ~(full.exactly[index] ?? 0)) | (hits.atLeast[index] ?? 0);
      wanted[index] = (wanted[index] ?? 0) & ~tooGood;
    }
  }

  const { used } = data.blocks;
  function scanBlock(firstWord: number, rank: number): void {
    if (!full.count(firstWord, goal.full, used, firstWord)) return;
    hits.count(firstWord, goal.hits + (rank > goal.rank ? 1 : 0), full.exactly);
    for (let index = 0; index < BLOCK_WORDS; index++) {
      wanted[index] = ((full.atLeast[index] ?? 0) & ~(full.exactly[index] ?? 0)) | (hits.atLeast[index] ?? 0);
    }
    leaveOutTooGood(firstWord, rank);
    for (let index = 0; index < BLOCK_WORDS; index++) {
      for (let rest = wanted[index] ?? 0; rest !== 0; rest &= rest - 1) {
        const ordinal = lowestOrdinal(firstWord + index, rest);
        if (!scorer.wasSeen(ordinal)) goal.offer(ordinal, full.countOne(ordinal), hits.countOne(ordinal));
      }
    }
  }

  const numbers = data.blocks.numbers();
  for (let rank = 0; rank < numbers.length; rank++) {
    if (goal.isDone || full.most < goal.full) return;
    if (rank > goal.rank && full.most === goal.full && hits.most <= goal.hits) return;
    scanBlock((numbers[rank] ?? 0) << (BLOCK_BITS - 5), rank);
  }
}

/** A bitmap counts as often as its weight says. */
function bitmapsOf(lists: readonly DenseList[]): Uint32Array[] {
  return lists.flatMap((list) => Array.from({ length: list.weight }, () => list.bitmap.words));
}
