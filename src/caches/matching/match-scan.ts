import { MAX_MATCH_IMAGES } from '../limits.ts';
import { Bounds } from './match-bounds.ts';
import type { ScanContext, ScanScratch } from './match-context.ts';
import type { Goal } from './match-goal.ts';
import { scanBlocks } from './match-scan-blocks.ts';

/**
 * Offers the goal every cache that it wants, and as few others as possible. With n terms, a cache that fully matches f of them
 * is in at least one of the n - f + 1 shortest lists. So short lists are gone through, the shortest first, until the rest
 * can't be enough (MaxScore); if the rest are all bitmaps and still could be, all caches are counted, 32 at a time.
 */
export function scan(context: ScanContext, goal: Goal): void {
  const rest = scanSparseTerms(context, goal);
  if (rest >= goal.full) scanBlocks(context, goal);
}

/** How many are found before the best of them are looked at, so that the goal rises before much is read; then so many times as many. */
const FIRST_LOOK = 128;
const LOOK_GROWTH = 8;
const MOST_LOOKED_AT = 512;
/** About what it takes to look at a cache of a short list, to add it to the sums, and to count a block, in nanoseconds. */
const [WALK_COST, ADD_COST, BLOCK_COST] = [30, 2, 25];

/** Takes the wanted caches of the short lists that matter; the number of terms that any other cache can have. */
function scanSparseTerms(context: ScanContext, goal: Goal): number {
  const { data, lists, scratch, scorer } = context;
  const { sparseTerms, denseTerms } = lists;
  const take = (ordinal: number): void => {
    if (scorer.wasSeen(ordinal)) return;
    scorer.score(ordinal);
    goal.offer(ordinal, scorer.full, scorer.hits);
  };
  const postings = data.termPostings.lists;
  scratch.reserve(data.blocks.space);
  const { counts, found } = scratch;
  const bounds = new Bounds(lists, data, goal);
  let read = 0;
  let foundCount = 0;
  let nextLook = FIRST_LOOK;
  let rest = sparseTerms.length + denseTerms.length;
  for (; read < sparseTerms.length && rest >= goal.full; read++, rest--) {
    if ((foundCount > MOST_LOOKED_AT || goal.looks === 0) && isCountingCheaper(context, { read, rest, goal })) break;
    const list = sparseTerms[read]?.number ?? 0;
    const page = postings.page(list);
    const offset = postings.offset(list);
    const count = postings.count(list);
    if (foundCount >= nextLook) {
      nextLook = foundCount * LOOK_GROWTH;
      const some = Math.min(foundCount, MOST_LOOKED_AT);
      lookAtBest({ scratch, foundCount: some, unread: sparseTerms.length - read, bounds, most: goal.looks }, take);
    }
    for (let index = offset; index < offset + count; index++) {
      const ordinal = page[index] ?? 0;
      const before = counts[ordinal] ?? 0;
      if (before === 0) found[foundCount++] = ordinal;
      counts[ordinal] = before + 1;
    }
  }
  const all = { scratch, foundCount, unread: sparseTerms.length - read, bounds, most: Number.POSITIVE_INFINITY };
  if (rest < goal.full) lookAtBest(all, take);
  for (let index = 0; index < foundCount; index++) counts[found[index] ?? 0] = 0;
  return rest;
}

/** Whether all caches must be counted anyhow, or that takes less than going through the short lists that are left to be. */
function isCountingCheaper(
  { data, lists }: ScanContext,
  { read, rest, goal }: { read: number; rest: number; goal: Goal },
): boolean {
  const { sparseTerms, denseTerms, sparseRepositories } = lists;
  if (denseTerms.length >= goal.full) return true;
  let walked = 0;
  for (let index = read; index <= read + rest - goal.full; index++) walked += sparseTerms[index]?.count ?? 0;
  let added = 0;
  for (const { count } of [...sparseTerms, ...sparseRepositories]) added += count;
  return walked * WALK_COST > added * ADD_COST + data.blocks.order.length * BLOCK_COST;
}

type Look = { scratch: ScanScratch; foundCount: number; unread: number; bounds: Bounds; most: number };

/** Takes at most so many of those found that can be wanted, those that can have most full matches first. */
function lookAtBest({ scratch, foundCount, unread, bounds, most }: Look, take: (ordinal: number) => void): void {
  if (most === 0) return;
  const { counts, found, full, sorted } = scratch;
  const starts = new Uint32Array(MAX_MATCH_IMAGES + 3);
  for (let index = 0; index < foundCount; index++) {
    const ordinal = found[index] ?? 0;
    const bound = bounds.mostFull(ordinal, (counts[ordinal] ?? 0) + unread);
    full[index] = bound;
    starts[bound + 2] = (starts[bound + 2] ?? 0) + 1;
  }
  for (let slot = 1; slot < starts.length; slot++) starts[slot] = (starts[slot] ?? 0) + (starts[slot - 1] ?? 0);
  for (let index = 0; index < foundCount; index++) {
    const slot = (full[index] ?? 0) + 1;
    const place = starts[slot] ?? 0;
    sorted[place] = found[index] ?? 0;
    starts[slot] = place + 1;
  }
  let looks = 0;
  for (let bound = MAX_MATCH_IMAGES; bound >= bounds.leastFull(); bound--) {
    // The highest ordinals are mostly the newest caches, which win ties.
    for (let index = (starts[bound + 1] ?? 0) - 1; index >= (starts[bound] ?? 0); index--) {
      const ordinal = sorted[index] ?? 0;
      if (!bounds.couldBeWanted(ordinal, bound)) continue;
      take(ordinal);
      if (++looks >= most) return;
    }
  }
}
