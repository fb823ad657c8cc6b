import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { CacheMatch, CacheScope, CacheStore } from '../store/ports.ts';

/** A cache that is matched all the time is written down this often. */
const RECORD_INTERVAL_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** Matches are gathered for so long, so that no call waits for a write of its own. */
const GATHER_MS = 1_000;
/**
 * Rows of one transaction; between two of them calls get their turn. After each commit the connection that reads reads its pages
 * anew: with one row a commit, calls that each matched another cache took 1.23 ms instead of 0.78 (p50); with 64 they wait for
 * it, p99 3.2 instead of 2.0 ms (bench/api.ts, "never asked before").
 */
const MAX_AT_ONCE = 8;

export type MatchRecorder = {
  /** Notes that a cache was matched, beside the call that matched it: LastMatchedTime may lag by a minute. */
  readonly record: (scope: CacheScope, id: string, nowMs: number) => void;
  /** Writes down what was gathered: before the store is closed, and before the least recently used make room. */
  readonly flush: () => Promise<void>;
};

export function createMatchRecorder(
  store: Pick<CacheStore, 'touch'>,
  onError: (error: unknown) => void,
  gatherMs = GATHER_MS,
): MatchRecorder {
  const recorded = new Map<string, number>();
  let gathered: CacheMatch[] = [];
  let flushing = Promise.resolve();

  async function write(matches: readonly CacheMatch[]): Promise<void> {
    for (let from = 0; from < matches.length; from += MAX_AT_ONCE) {
      await store.touch(matches.slice(from, from + MAX_AT_ONCE)).catch(onError);
      await setImmediate();
    }
  }

  function flush(): Promise<void> {
    const matches = gathered;
    gathered = [];
    flushing = flushing.then(() => write(matches));
    return flushing;
  }

  return {
    record({ accountId, regionId }, id, nowMs) {
      if (nowMs - (recorded.get(id) ?? Number.NEGATIVE_INFINITY) < RECORD_INTERVAL_MS) return;
      recorded.delete(id);
      recorded.set(id, nowMs);
      const oldest = recorded.size > MAX_REMEMBERED ? recorded.keys().next().value : undefined;
      if (oldest !== undefined) recorded.delete(oldest);
      if (gathered.push({ accountId, regionId, id, matchedAtMs: nowMs }) > 1) return;
      void sleep(gatherMs, undefined, { ref: false }).then(flush);
    },
    flush,
  };
}
