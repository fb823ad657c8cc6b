import { createBoundedMap } from './bounded-map.ts';

/** How much of something a key may take: so many at once after a quiet time, and so many a second after that. */
export type Rate = { readonly perSecond: number; readonly burst: number };

export type TokenBuckets = {
  /** Takes one for the key: 0 when there was one, else the milliseconds until there is; nothing is taken then. */
  take(key: string, nowMs: number): number;
};

type Bucket = { tokens: number; atMs: number };

/**
 * A token bucket for each key, the `maxKeys` used last; a key that was forgotten begins with a full one. A clock that goes
 * backwards fills nothing and takes nothing.
 */
export function createTokenBuckets(rate: Rate, maxKeys: number): TokenBuckets {
  const buckets = createBoundedMap<Bucket>(maxKeys);
  const perMs = rate.perSecond / 1000;
  return {
    take(key, nowMs) {
      let bucket = buckets.get(key);
      if (!bucket) {
        bucket = { tokens: rate.burst, atMs: nowMs };
        buckets.set(key, bucket);
      }
      bucket.tokens = Math.min(rate.burst, bucket.tokens + Math.max(0, nowMs - bucket.atMs) * perMs);
      bucket.atMs = nowMs;
      if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) / perMs);
      bucket.tokens--;
      return 0;
    },
  };
}
