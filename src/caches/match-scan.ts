import type { MatchData } from './match-data.ts';
import type { Goal } from './match-goal.ts';
import { type QueryLists, totalWeight } from './match-lists.ts';
import type { Postings } from './match-postings.ts';
import { scanBlocks } from './match-scan-blocks.ts';
import { type MatchScorer, mostHits } from './match-score.ts';

/** Room to count in, kept between queries. */
export class ScanScratch {
  /** Short lists that a cache was found in, by ordinal; all 0 between queries. */
  counts = new Uint8Array(0);
  /** The ordinals counted, as found and then by count. */
  found = new Uint32Array(0);
  sorted = new Uint32Array(0);

  reserve(space: number): void {
    if (this.counts.length >= space) return;
    const length = space + (space >> 2) + 64;
    this.counts = new Uint8Array(length);
    this.found = new Uint32Array(length);
    this.sorted = new Uint32Array(length);
  }
}

export type ScanContext = { data: MatchData; lists: QueryLists; scorer: MatchScorer; scratch: ScanScratch };

/**
 * Offers the goal every cache that it wants, and as few others as possible. With n terms, a cache that fully matches f of them
 * is in at least one of the n - f + 1 shortest lists. So short lists are gone through, the shortest first, until the rest
 * can't be enough (MaxScore); if the rest are all bitmaps and still could be, the bitmaps are counted 32 caches at a time.
 */
export function scan(context: ScanContext, goal: Goal): void {
  const { data, lists, scorer } = context;
  const take = (ordinal: number): void => {
    // What is not offered must stay unseen: the next goal may want it.
    if (goal.isDone || scorer.wasSeen(ordinal)) return;
    scorer.score(ordinal);
    goal.offer(ordinal, scorer.full, scorer.hits);
  };
  const rest = scanSparseTerms(context, goal, take);
  if (goal.isDone || rest < goal.full) return;
  scanBlocks(data, lists, goal, take);
  if (goal.isDone || rest < goal.full) return;
  scanSparseRepositories(context, goal, take);
}

/** Takes the wanted caches of the short lists that matter; the number of terms that any other cache can have. */
function scanSparseTerms({ data, lists, scratch, scorer }: ScanContext, goal: Goal, take: (ordinal: number) => void) {
  const { sparseTerms, denseTerms } = lists;
  const postings = data.termPostings.lists;
  scratch.reserve(data.blocks.space);
  const { counts, found, sorted } = scratch;
  let [read, foundCount] = [0, 0];
  let rest = sparseTerms.length + denseTerms.length;
  for (; read < sparseTerms.length && rest >= goal.full; read++, rest--) {
    const list = sparseTerms[read]?.number ?? 0;
    const [page, offset, count] = [postings.page(list), postings.offset(list), postings.count(list)];
    for (let index = offset; index < offset + count; index++) {
      const ordinal = page[index] ?? 0;
      const before = counts[ordinal] ?? 0;
      if (before === 0) found[foundCount++] = ordinal;
      counts[ordinal] = before + 1;
    }
  }
  // Those in most lists first: they raise the goal.
  const ends = new Uint32Array(read + 2);
  for (let index = 0; index < foundCount; index++) {
    const count = counts[found[index] ?? 0] ?? 0;
    ends[count + 1] = (ends[count + 1] ?? 0) + 1;
  }
  for (let count = 1; count < ends.length; count++) ends[count] = (ends[count] ?? 0) + (ends[count - 1] ?? 0);
  const starts = ends.slice();
  for (let index = 0; index < foundCount; index++) {
    const ordinal = found[index] ?? 0;
    const count = counts[ordinal] ?? 0;
    sorted[starts[count] ?? 0] = ordinal;
    starts[count] = (starts[count] ?? 0) + 1;
    counts[ordinal] = 0;
  }
  for (let count = read; count > 0; count--) {
    if (count + rest < goal.full || goal.isDone) break;
    const couldBeWanted = upperBound(lists, data, goal, count + sparseTerms.length - read);
    // The highest ordinals are mostly the newest caches, which win ties.
    for (let index = (starts[count] ?? 0) - 1; index >= (ends[count] ?? 0); index--) {
      const ordinal = sorted[index] ?? 0;
      if (!scorer.wasSeen(ordinal) && couldBeWanted(ordinal)) take(ordinal);
    }
  }
  return rest;
}

/** Takes what {@link scanBlocks} thought too little of: caches in short lists of repositories. */
function scanSparseRepositories({ data, lists, scorer }: ScanContext, goal: Goal, take: (ordinal: number) => void) {
  const couldBeWanted = upperBound(lists, data, goal, 0);
  const postings: Postings['lists'] = data.repositoryPostings.lists;
  let hitsOfRest = mostHits(lists);
  for (const list of lists.sparseRepositories) {
    if (goal.isDone || hitsOfRest < goal.hits) return;
    const [page, offset] = [postings.page(list.number), postings.offset(list.number)];
    for (let index = offset + list.count - 1; index >= offset; index--) {
      const ordinal = page[index] ?? 0;
      if (!scorer.wasSeen(ordinal) && couldBeWanted(ordinal)) take(ordinal);
    }
    hitsOfRest -= list.weight;
  }
}

/** Whether the goal could want a cache, by the bitmaps it is in; at most `sparse` of its full matches are not in bitmaps. */
function upperBound(lists: QueryLists, data: MatchData, goal: Goal, sparse: number): (ordinal: number) => boolean {
  const terms = lists.denseTerms.map((list) => list.bitmap);
  const repositories = lists.denseRepositories;
  const mostFull = sparse + terms.length;
  const most = totalWeight(lists.sparseRepositories) + totalWeight(repositories);
  return (ordinal) => {
    let full = mostFull;
    for (let index = 0; index < terms.length && full >= goal.full; index++) {
      if (terms[index]?.has(ordinal) !== true) full--;
    }
    if (full !== goal.full) return full > goal.full;
    let hits = most;
    for (let index = 0; index < repositories.length && hits >= goal.hits; index++) {
      const list = repositories[index];
      if (list?.bitmap.has(ordinal) === false) hits -= list.weight;
    }
    if (hits !== goal.hits) return hits > goal.hits;
    return data.blocks.rank(ordinal) <= goal.rank;
  };
}
