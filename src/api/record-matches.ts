import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { CacheScope, CacheStore } from '../store/ports.ts';

/** A cache that is matched all the time is written down this often. */
const RECORD_INTERVAL_MS = 60_000;
const MAX_REMEMBERED = 10_000;
/** Matches are gathered for so long, so that no call waits for a write of its own. */
const GATHER_MS = 1_000;

export type MatchRecorder = {
  /** Notes that a cache was matched, beside the call that matched it: LastMatchedTime may lag by a minute. */
  readonly record: (scope: CacheScope, id: string, nowMs: number) => void;
  /** Writes down what was gathered: before the store is closed, and before the least recently used make room. */
  readonly flush: () => Promise<void>;
};

type Match = { readonly scope: CacheScope; readonly id: string; readonly nowMs: number };

export function createMatchRecorder(
  store: Pick<CacheStore, 'touch'>,
  onError: (error: unknown) => void,
  gatherMs = GATHER_MS,
): MatchRecorder {
  const recorded = new Map<string, number>();
  let gathered: Match[] = [];
  let flushing = Promise.resolve();

  /** One row a write, and between two of them calls get their turn: with ten, p99 of MatchImage was 6.6 ms instead of 5.2 (bench/api.ts, one run each). */
  async function write(matches: readonly Match[]): Promise<void> {
    for (const { scope, id, nowMs } of matches) {
      await store.touch(scope, id, nowMs).catch(onError);
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
      if (gathered.push({ scope: { accountId, regionId }, id, nowMs }) > 1) return;
      void sleep(gatherMs, undefined, { ref: false }).then(flush);
    },
    flush,
  };
}
