import { setTimeout as sleep } from 'node:timers/promises';
import {
  createMatchIndex,
  createTermReader,
  type MatchIndex,
  type MatchQuery,
  type MatchResult,
} from '../caches/index.ts';
import { apiError } from '../rpc/index.ts';
import type { CacheFeed, CacheScope } from '../store/ports.ts';

/** Caches read and indexed at a time: a few milliseconds, after which others get their turn. */
const SLICE = 128;
/** Regions of accounts whose index is kept; the least recently asked goes first, and is built again when it is asked. */
const MAX_INDEXES = 256;
/**
 * Caches in all indexes together, about half a kilobyte each. Beyond it the least recently asked indexes go, though never the
 * one just asked: the index of a single region takes what it needs, which the quota of its account bounds.
 */
const MAX_INDEXED_CACHES = 2_000_000;

/**
 * A query waits so long for an index that is being built, about a minute for a million caches: callers give up before, and a
 * connection on which nothing moves for a minute is cut. They are told to come back after the second figure.
 */
const [MAX_WAIT_MS, RETRY_AFTER_MS] = [20_000, 5_000];

export type MatchCatalog = {
  /**
   * The Ready caches of a region that match; every change that was committed before the call counts. Throws ServiceUnavailable
   * while the index takes too long to build; it is built on.
   */
  find(accountId: string, regionId: string, query: MatchQuery): Promise<MatchResult>;
  /** Builds or refreshes indexes ahead of the first query, one after the other. */
  warm(scopes: Iterable<CacheScope>): Promise<void>;
};

type Bounds = {
  readonly maxIndexes: number;
  readonly maxCaches: number;
  readonly slice: number;
  readonly maxWaitMs: number;
};
type Indexed = {
  readonly scope: CacheScope;
  index: MatchIndex;
  /** Up to where the index knows the region. */
  revision: number;
  /** The region's revision when the index was begun; undefined before. */
  began?: number;
  /** Until then it may lack a cache that changed after the index was begun. */
  isComplete: boolean;
  /** Under way, for all who wait. */
  refresh?: Promise<void>;
};

type Refreshing = {
  readonly feed: CacheFeed;
  readonly pause: () => Promise<unknown>;
  readonly slice: number;
  readonly newIndex: () => MatchIndex;
};

const BOUNDS: Bounds = { maxIndexes: MAX_INDEXES, maxCaches: MAX_INDEXED_CACHES, slice: SLICE, maxWaitMs: MAX_WAIT_MS };

/** Keeps an index per account and region in step with the feed of changes. `pause` lets others run between slices. */
export function createMatchCatalog(
  feed: CacheFeed,
  { pause, bounds = BOUNDS }: { pause: () => Promise<unknown>; bounds?: Bounds },
): MatchCatalog {
  const read = createTermReader();
  const newIndex = () => createMatchIndex({ read });
  /** The least recently asked first. */
  const known = new Map<string, Indexed>();

  function indexOf(scope: CacheScope): Indexed {
    const key = JSON.stringify([scope.accountId, scope.regionId]);
    const indexed = known.get(key) ?? { scope, index: newIndex(), revision: 0, isComplete: false };
    known.delete(key);
    known.set(key, indexed);
    return indexed;
  }

  function dropOldest(): void {
    let caches = 0;
    for (const { index } of known.values()) caches += index.size;
    for (const [key, { index }] of known) {
      if (known.size === 1 || (known.size <= bounds.maxIndexes && caches <= bounds.maxCaches)) return;
      caches -= index.size;
      known.delete(key);
    }
  }

  /** The index of a region, knowing at least what was committed before the call; undefined when it never had a cache. */
  async function upToDate(scope: CacheScope, maxWaitMs?: number): Promise<MatchIndex | undefined> {
    const wanted = await feed.revision(scope.accountId, scope.regionId);
    // Anything can be asked for as a region; one that never had a cache takes nobody's place.
    if (wanted === 0) return undefined;
    const indexed = indexOf(scope);
    while (indexed.revision < wanted || !indexed.isComplete) {
      indexed.refresh ??= refresh(indexed, { feed, pause, slice: bounds.slice, newIndex }).finally(
        () => delete indexed.refresh,
      );
      await (maxWaitMs === undefined ? indexed.refresh : inTime(indexed.refresh, maxWaitMs));
    }
    dropOldest();
    return indexed.index;
  }

  return {
    async find(accountId, regionId, query) {
      const index = await upToDate({ accountId, regionId }, bounds.maxWaitMs);
      return index?.find(query) ?? { matches: [], total: 0 };
    },
    async warm(scopes) {
      for (const scope of scopes) await upToDate(scope);
    },
  };
}

async function inTime<T>(task: Promise<T>, maxMs: number): Promise<T> {
  const over = new AbortController();
  try {
    return await Promise.race([
      task,
      sleep(maxMs, undefined, { signal: over.signal }).then(() => {
        throw apiError('ServiceUnavailable', {}, { retryAfterMs: RETRY_AFTER_MS });
      }),
    ]);
  } finally {
    over.abort();
  }
}

/** Applies what changed, slice by slice; an index too far behind is begun again. */
async function refresh(indexed: Indexed, { feed, pause, slice, newIndex }: Refreshing): Promise<void> {
  const { scope } = indexed;
  for (;;) {
    indexed.began ??= await feed.revision(scope.accountId, scope.regionId);
    const position = { after: indexed.revision, began: indexed.began, limit: slice };
    const { entries, removed, revision, reset } = await feed.changes(scope, position);
    if (reset) {
      indexed.index = newIndex();
      indexed.revision = 0;
      indexed.isComplete = false;
      delete indexed.began;
    } else {
      // A cache that is updated or has failed can't be used until it is Ready again.
      for (const { id, status } of entries) if (status !== 'Ready') indexed.index.remove(id);
      indexed.index.putAll(entries.filter(({ status }) => status === 'Ready'));
      for (const { id } of removed) indexed.index.remove(id);
      indexed.revision = revision;
      if (entries.length < slice) {
        indexed.isComplete = true;
        return;
      }
    }
    await pause();
  }
}
