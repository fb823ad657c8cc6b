import { BLOCK_SLOTS } from './match-blocks.ts';
import { type ScanContext, ScanScratch } from './match-context.ts';
import { countMatches } from './match-count.ts';
import { MatchData } from './match-data.ts';
import { BestMatches, compareMatches, type Match, matchAt } from './match-goal.ts';
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

/** Counts first. When few match, all of them are seen by that and only need sorting; else the best are searched. */
function search(context: ScanContext, query: MatchQuery, maxCounted: number): MatchResult {
  const { data, lists, scorer } = context;
  const { limit, after, accept } = query;
  const wanted = { minFull: lists.minFull, ...(accept === undefined ? {} : { accept }) };
  const counted = countMatches(context, wanted, maxCounted);
  scorer.forgetSeen();
  if (counted.total < maxCounted) {
    const best = counted.ordinals.map((ordinal): Match => {
      scorer.score(ordinal);
      return { ordinal, full: scorer.full, hits: scorer.hits, key: data.blocks.key(ordinal) };
    });
    const left = after === undefined ? best : best.filter((match) => compareMatches(match, matchAt(after)) > 0);
    return page(left.toSorted(compareMatches), limit, counted.total);
  }
  // One more tells whether there is a next page.
  const best = new BestMatches(data, { ...wanted, most: limit + 1, ...(after === undefined ? {} : { after }) });
  scan(context, best);
  return page(best.matches, limit, counted.total);
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
