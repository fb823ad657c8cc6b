import type { Clock } from '../lib/clock.ts';
import { type AuthenticatedCall, apiError, type SignatureFailures } from '../rpc/index.ts';
import { addressGroup, createFailureBackOff } from './failure-back-off.ts';
import type { Limits } from './limit-table.ts';
import { createTokenBuckets, type TokenBuckets } from './token-buckets.ts';

/** Accounts, and addresses with their keys, of which anything is remembered: about 100 bytes each. */
const MAX_KEYS = 10_000;
const BASE_BACK_OFF_MS = 1_000;
const FORGET_MS = 60 * 60_000;
const READ = /:(Describe|List|Get)/;
const CREATE = 'eci:CreateImageCache';
const SECONDS_PER_MINUTE = 60;
/** Longer ones are refused later; the buckets must not remember what a caller likes. */
const MAX_REGION_CHARS = 64;

/** What of a call flow control looks at. */
export type AdmittedCall = Pick<AuthenticatedCall, 'caller'> & {
  readonly action: { readonly ramAction?: string | undefined; readonly name?: string };
  readonly regionId: string;
};

/** Whether the action changes nothing, by the name that policies give it; an action that no policy governs is one that tells. */
export function isReading(action: AdmittedCall['action']): boolean {
  return action.ramAction === undefined || READ.test(action.ramAction);
}

/**
 * Throws `Throttling.User` with the time to wait when the account calls more often than it may: reads and writes apart, and
 * among the writes the creations of image caches in each region.
 */
export function createAdmission(limits: Limits, clock: Clock): (call: AdmittedCall) => Promise<void> {
  const buckets = (perSecond: number, burst: number) =>
    perSecond === 0 ? undefined : createTokenBuckets({ perSecond, burst }, MAX_KEYS);
  const reads = buckets(limits.readsPerSecond, limits.readBurst);
  const writes = buckets(limits.writesPerSecond, limits.writeBurst);
  const creates = buckets(limits.createsPerMinute / SECONDS_PER_MINUTE, limits.createsPerMinute);

  function take(bucket: TokenBuckets | undefined, key: string): void {
    const retryAfterMs = bucket?.take(key, clock.now()) ?? 0;
    if (retryAfterMs > 0) throw apiError('Throttling.User', {}, { retryAfterMs });
  }

  return async ({ action, caller: { accountId }, regionId }) => {
    take(isReading(action) ? reads : writes, accountId);
    if (action.ramAction === CREATE) take(creates, `${accountId} ${regionId.slice(0, MAX_REGION_CHARS)}`);
  };
}

/**
 * Slows down who guesses the secret of a key: by address and key, so that neither others behind the same address nor the
 * key's owner elsewhere are kept out. Undefined when the limit is off.
 */
export function createSignatureFailures(limits: Limits): SignatureFailures | undefined {
  if (limits.maxBadSignatures === 0) return undefined;
  const backOff = createFailureBackOff({
    freeFailures: limits.maxBadSignatures,
    baseMs: BASE_BACK_OFF_MS,
    maxMs: limits.maxBackOffMs,
    forgetMs: FORGET_MS,
    maxKeys: MAX_KEYS,
  });
  const key = (peer: string, accessKeyId: string) => `${addressGroup(peer)} ${accessKeyId}`;
  return {
    waitMs: (peer, accessKeyId, nowMs) => backOff.waitMs(key(peer, accessKeyId), nowMs),
    failed: (peer, accessKeyId, nowMs) => backOff.failed(key(peer, accessKeyId), nowMs),
    succeeded: (peer, accessKeyId) => backOff.succeeded(key(peer, accessKeyId)),
  };
}
