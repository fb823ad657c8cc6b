import { BLOCK_BITS, BLOCK_WORDS } from './match-blocks.ts';
import type { MatchData } from './match-data.ts';
import type { Goal } from './match-goal.ts';
import { type DenseList, type QueryLists, totalWeight } from './match-lists.ts';
import { MissCounter } from './match-miss-counter.ts';
import { BITMAP_PAGE_BITS, EMPTY_BITMAP_PAGE } from './match-postings.ts';

const BLOCKS_PER_PAGE_BITS = BITMAP_PAGE_BITS - BLOCK_BITS;
const BLOCK_OF_PAGE_MASK = (1 << BLOCKS_PER_PAGE_BITS) - 1;

/**
 * Takes the wanted caches in tie order, going by the bitmaps alone: whatever a cache has in the short lists comes on top, so
 * it finds every wanted cache that is in none of those.
 */
export function scanBlocks(data: MatchData, lists: QueryLists, goal: Goal, take: (ordinal: number) => void): void {
  const terms = openPages(lists.denseTerms);
  const repositories = openPages(lists.denseRepositories);
  const mostFull = lists.denseTerms.length;
  const mostHits = totalWeight(lists.denseRepositories);
  const counter = new MissCounter();
  const { ceiling } = goal;

  /** Of these 32 caches, those whose bitmaps alone make them better than the goal's ceiling. */
  const tooGood = (word: number, among: number, rank: number): number => {
    if (ceiling === undefined) return 0;
    counter.count(terms.pages, word, among, mostFull - ceiling.full);
    const [more, same] = [counter.within & ~counter.exactly, counter.exactly];
    if (same === 0) return more;
    counter.count(repositories.pages, word, same, mostHits - ceiling.hits - (rank < ceiling.rank ? 0 : 1));
    return more | counter.within;
  };

  for (const [rank, block] of data.blocks.order.entries()) {
    const isLate = rank > goal.rank;
    if (goal.isDone || mostFull < goal.full) return;
    if (isLate && mostFull === goal.full && mostHits <= goal.hits) return;
    terms.turnTo(block.number >>> BLOCKS_PER_PAGE_BITS);
    repositories.turnTo(block.number >>> BLOCKS_PER_PAGE_BITS);
    const firstWord = (block.number & BLOCK_OF_PAGE_MASK) * BLOCK_WORDS;
    for (let index = 0; index < BLOCK_WORDS; index++) {
      const word = firstWord + index;
      counter.count(terms.pages, word, block.used[index] ?? 0, mostFull - goal.full);
      let wanted = counter.within;
      const same = counter.exactly;
      if (same !== 0) {
        counter.count(repositories.pages, word, same, mostHits - goal.hits - (isLate ? 1 : 0));
        wanted = (wanted & ~same) | counter.within;
      }
      if (wanted !== 0 && ceiling !== undefined) wanted &= ~tooGood(word, wanted, rank);
      for (; wanted !== 0; wanted &= wanted - 1) {
        take((block.number << BLOCK_BITS) + index * 32 + 31 - Math.clz32(wanted & -wanted));
      }
    }
  }
}

/** The bitmaps' pages of one number; a bitmap counts as often as its weight says. */
function openPages(lists: readonly DenseList[]) {
  const weighted = lists.flatMap((list) => Array.from({ length: list.weight }, () => list.bitmap));
  const pages: Uint32Array[] = weighted.map(() => EMPTY_BITMAP_PAGE);
  let open = -1;
  return {
    pages,
    turnTo(number: number): void {
      if (number === open) return;
      open = number;
      for (const [index, bitmap] of weighted.entries()) pages[index] = bitmap.pages[number] ?? EMPTY_BITMAP_PAGE;
    },
  };
}
