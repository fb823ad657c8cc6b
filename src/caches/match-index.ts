import { BLOCK_BITS, BLOCK_SLOTS, BLOCK_WORDS } from './match-blocks.ts';
import { MatchData } from './match-data.ts';
import { BestMatches, compareMatches, Gathering, type Match, matchAt } from './match-goal.ts';
import { type QueryList, queryLists } from './match-lists.ts';
import type { Bitmap, Postings } from './match-postings.ts';
import { type ScanContext, ScanScratch, scan } from './match-scan.ts';
import { MatchScorer } from './match-score.ts';
import { createTermReader } from './match-terms.ts';
import {
  MAX_COUNTED_MATCHES,
  type MatchEntry,
  type MatchPosition,
  type MatchQuery,
  type MatchResult,
  type MatchTuning,
} from './match-types.ts';

const TUNING: MatchTuning = { blockCapacity: BLOCK_SLOTS, minDenseLength: 256, maxCounted: MAX_COUNTED_MATCHES };

/**
 * Finds the caches that hold images, among the Ready caches of one account and region.
 *
 * A cache matches an image *fully* when it holds the same repository and tag, and the same digest where the request names
 * one (a digest without a tag: whatever the tag); *partially* when it holds the repository otherwise. References are compared
 * with their defaults filled in. A cache with any match is a match; first come those with the most full matches, then with the
 * most partial ones, then the smallest, then the newest, then by id.
 */
export type MatchIndex = {
  /** Adds a cache, or replaces the one with its id. */
  put(entry: MatchEntry): void;
  /** Adds many, fastest when they come in order of creation. It does not yield: give it slices of a few hundred. */
  putAll(entries: readonly MatchEntry[]): void;
  remove(id: string): void;
  readonly size: number;
  find(query: MatchQuery): MatchResult;
};

export function createMatchIndex(tuning: MatchTuning = TUNING): MatchIndex {
  const read = createTermReader();
  const data = new MatchData(tuning, read);
  const scorer = new MatchScorer(data);
  const scratch = new ScanScratch();
  return {
    put: (entry) => data.put(entry),
    // Newest last, as caches come one by one: so posting lists grow at their ends.
    putAll(entries) {
      for (const entry of entries.toSorted((a, b) => a.createdAtMs - b.createdAtMs)) data.put(entry);
    },
    remove: (id) => data.remove(id),
    get size() {
      return data.size;
    },
    find(query) {
      const lists = queryLists(data, query, read);
      if (lists.minFull > lists.sparseTerms.length + lists.denseTerms.length) return { matches: [], total: 0 };
      scorer.begin(lists);
      try {
        return search({ data, lists, scorer, scratch }, query, tuning.maxCounted);
      } finally {
        scorer.end(lists);
      }
    },
  };
}

/** Counts first. When all matches were seen by that, they only need sorting; else they are a start for finding the best. */
function search(context: ScanContext, query: MatchQuery, maxCounted: number): MatchResult {
  const { data, lists } = context;
  const wanted = { minFull: lists.minFull, ...(query.accept === undefined ? {} : { accept: query.accept }) };
  const gathering = new Gathering(data, wanted, maxCounted);
  if (lists.minFull <= 1) gatherAny(context, gathering);
  else scan(context, gathering);
  const gathered = gathering.matches;
  const total = gathered.length;
  if (total < maxCounted) {
    const { after } = query;
    const left = after === undefined ? gathered : gathered.filter((match) => compareMatches(match, matchAt(after)) > 0);
    return page(left.toSorted(compareMatches), query.limit, total);
  }
  const best = new BestMatches(data, {
    ...wanted,
    // One more tells whether there is a next page.
    most: query.limit + 1,
    ...(query.after === undefined ? {} : { after: query.after }),
  });
  for (const match of gathered) best.take(match);
  scan(context, best);
  return page(best.matches, query.limit, total);
}

function page(matches: readonly Match[], limit: number, total: number): MatchResult {
  const shown = matches.slice(0, limit);
  const last = shown.at(-1);
  return {
    matches: shown.map((match) => ({ id: match.key.id, full: match.full, partial: match.hits - match.full })),
    ...(last !== undefined && matches.length > limit ? { next: positionOf(last) } : {}),
    total,
  };
}

function positionOf({ full, hits, key }: Match): MatchPosition {
  return { full, partial: hits - full, sizeGib: key.sizeGib, createdAtMs: key.createdAtMs, id: key.id };
}

/** Where one hit makes a match, every cache in a list is one; the rarest images first, whose caches are likely the best. */
function gatherAny({ data, lists, scorer }: ScanContext, gathering: Gathering): void {
  const take = (ordinal: number): void => {
    if (gathering.isDone || scorer.wasSeen(ordinal)) return;
    scorer.score(ordinal);
    gathering.offer(ordinal, scorer.full, scorer.hits);
  };
  const walk = (postings: Postings, list: QueryList) => {
    const bitmap = postings.bitmap(list.number);
    if (bitmap !== undefined) return walkBitmap(data, bitmap, gathering, take);
    const [numbers, offset] = [postings.lists.page(list.number), postings.lists.offset(list.number)];
    for (let index = offset + list.count - 1; index >= offset && !gathering.isDone; index--) take(numbers[index] ?? 0);
  };
  for (const list of [...lists.sparseTerms, ...lists.denseTerms]) walk(data.termPostings, list);
  if (lists.minFull > 0) return;
  for (const list of [...lists.sparseRepositories, ...lists.denseRepositories]) walk(data.repositoryPostings, list);
}

function walkBitmap(data: MatchData, bitmap: Bitmap, gathering: Gathering, take: (ordinal: number) => void): void {
  for (const block of data.blocks.order) {
    if (gathering.isDone) return;
    const first = block.number << BLOCK_BITS;
    for (let index = 0; index < BLOCK_WORDS; index++) {
      for (let rest = bitmap.word(first + index * 32); rest !== 0; rest &= rest - 1) {
        take(first + index * 32 + 31 - Math.clz32(rest & -rest));
      }
    }
  }
}
