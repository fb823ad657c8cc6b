import { FAILED_RETENTION_MS } from './limits.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** When a cache expires: counted in days of 24 h from its creation, never from an update; undefined keeps it for ever. */
export function expiry(createdAtMs: number, retentionDays: number | undefined): number | undefined {
  return retentionDays === undefined ? undefined : createdAtMs + retentionDays * DAY_MS;
}

/** When a cache that failed at `failedAtMs` is removed, whatever its retention. */
export function failedExpiry(failedAtMs: number): number {
  return failedAtMs + FAILED_RETENTION_MS;
}

export function isExpired(cache: { readonly expiresAtMs?: number }, nowMs: number): boolean {
  return cache.expiresAtMs !== undefined && cache.expiresAtMs <= nowMs;
}
