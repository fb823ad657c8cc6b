import { BLOCK_SLOTS, type TieKey } from './match-blocks.ts';
import { type ScanContext, ScanScratch } from './match-context.ts';
import { countHits } from './match-count.ts';
import { MatchData } from './match-data.ts';
import { Goal, type Match } from './match-goal.ts';
import { queryLists } from './match-lists.ts';
import { scan } from './match-scan.ts';
import { MatchScorer } from './match-score.ts';
import { createTermReader, type TermReader } from './match-terms.ts';
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

/** `read` may be shared by many indexes, so that they remember texts together. */
export function createMatchIndex({
  read = createTermReader(),
  tuning = TUNING,
}: {
  read?: TermReader;
  tuning?: MatchTuning;
} = {}): MatchIndex {
  const data = new MatchData(tuning, read);
  const scorer = new MatchScorer(data);
  const scratch = new ScanScratch(data);
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
      } catch (error) {
        // Only `accept` throws; the counts under way must not count for the next query.
        scratch.clear();
        throw error;
      } finally {
        scorer.end(lists);
      }
    },
  };
}

/** Finds the best and counts all, up to a bound; where any hit makes a match, counting needs no look at most of them. */
function search(context: ScanContext, query: MatchQuery, maxCounted: number): MatchResult {
  const { data, lists, scorer } = context;
  const { limit, after, accept } = query;
  const wanted = { minFull: lists.minFull, ...(accept === undefined ? {} : { accept }) };
  const isAny = lists.minFull <= 1;
  const counted = isAny ? countHits(context, wanted, maxCounted) : undefined;
  // One more tells whether there is a next page.
  const most = { most: limit + 1, counted: isAny ? 0 : maxCounted, ...(after === undefined ? {} : { after }) };
  const goal = new Goal(data, { ...wanted, ...most });
  scorer.forgetSeen();
  if (counted === undefined || counted.total >= maxCounted) scan(context, goal);
  else {
    for (const ordinal of counted.ordinals) {
      scorer.score(ordinal);
      goal.offer(ordinal, scorer.full, scorer.hits);
    }
  }
  return page(data, goal.matches, { limit, total: counted?.total ?? goal.total });
}

function page(
  data: MatchData,
  found: readonly Match[],
  { limit, total }: { limit: number; total: number },
): MatchResult {
  const matches = found.slice(0, limit).map(({ ordinal, full, hits }) => {
    return { full, partial: hits - full, key: data.blocks.key(ordinal) };
  });
  const last = matches.at(-1);
  return {
    matches: matches.map(({ key, full, partial }) => ({ id: key.id, full, partial })),
    ...(last !== undefined && found.length > limit ? { next: positionOf(last) } : {}),
    total,
  };
}

function positionOf({ full, partial, key }: { full: number; partial: number; key: TieKey }): MatchPosition {
  return { full, partial, sizeGib: key.sizeGib, createdAtMs: key.createdAtMs, id: key.id };
}
