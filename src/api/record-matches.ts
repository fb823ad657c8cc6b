import type { CacheScope, CacheStore } from '../store/ports.ts';

/** A cache that is matched all the time is written down this often. */
const RECORD_INTERVAL_MS = 60_000;
const MAX_REMEMBERED = 10_000;

/** Notes that a cache was matched, beside the call that matched it: LastMatchedTime may lag by a minute. */
export type RecordMatch = (scope: CacheScope, id: string, nowMs: number) => void;

export function createMatchRecorder(store: Pick<CacheStore, 'touch'>, onError: (error: unknown) => void): RecordMatch {
  const recorded = new Map<string, number>();
  return ({ accountId, regionId }, id, nowMs) => {
    if (nowMs - (recorded.get(id) ?? Number.NEGATIVE_INFINITY) < RECORD_INTERVAL_MS) return;
    recorded.delete(id);
    recorded.set(id, nowMs);
    const oldest = recorded.size > MAX_REMEMBERED ? recorded.keys().next().value : undefined;
    if (oldest !== undefined) recorded.delete(oldest);
    store.touch({ accountId, regionId }, [id], nowMs).catch(onError);
  };
}
