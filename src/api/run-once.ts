import { createHash } from 'node:crypto';
import { errorCode, LarderError } from '../lib/errors.ts';
import { type ActionContext, apiError, type ResultObject } from '../rpc/index.ts';
import type { Completion } from '../store/ports.ts';
import type { ApiServices } from './services.ts';

/** How long a call with a ClientToken can be made again; the vendor's time is not published. */
export const CLIENT_TOKEN_TTL_MS = 24 * 60 * 60 * 1000;
/** A first call that has not ended by then never will: its server is gone. No call takes longer than 2 s. */
const CLIENT_TOKEN_LEASE_MS = 30_000;
/** Not part of what is compared: the token itself, and secrets, which must not outlive their build even as a hash. */
const NOT_COMPARED = new Set(['ClientToken', 'Password']);

/**
 * Makes a change once for a ClientToken. The same token with the same parameters gives the first result again; with others
 * 400 `IdempotentParameterMismatch`; while the first call runs 403 `LastTokenProcessing`. `change` gets what it must hand
 * to the store, which records the result in the transaction of the change; a change that fails frees the token. A dry run
 * goes through all of it and is rolled back.
 */
export async function runOnce<Result extends ResultObject>(
  call: { services: ApiServices; context: ActionContext; params: { readonly ClientToken: string | undefined } },
  result: Result,
  change: (completion: Completion) => Promise<void>,
): Promise<Result> {
  const { services, context, params } = call;
  const beforeCommit = () => context.beforeChange();
  if (params.ClientToken === undefined) {
    await translated(change({ beforeCommit }));
    return result;
  }
  const { accountId, regionId, action, nowMs, requestId: owner } = context;
  const key = { accountId, regionId, action, token: params.ClientToken };
  const fingerprint = fingerprintOf(params);
  const limits = { leaseMs: CLIENT_TOKEN_LEASE_MS, ttlMs: CLIENT_TOKEN_TTL_MS };
  const claim = await services.store.tokens.claim(key, { fingerprint, owner, nowMs, ...limits });
  if (claim.state === 'mismatch') throw apiError('IdempotentParameterMismatch');
  if (claim.state === 'running') throw apiError('LastTokenProcessing');
  if (claim.state === 'done') return JSON.parse(claim.result);
  try {
    await translated(change({ beforeCommit, token: { key, owner, result: JSON.stringify(result) } }));
    return result;
  } catch (error) {
    await services.store.tokens.release(key, owner);
    throw error;
  }
}

/** The store's refusals as the caller may see them. */
async function translated(change: Promise<void>): Promise<void> {
  try {
    await change;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'store.quota-exceeded') throw apiError('QuotaExceeded', { Quota: 'ImageCache' }, { cause: error });
    if (code === 'lease.lost') throw apiError('LastTokenProcessing', {}, { cause: error });
    if (code === 'store.not-found' && error instanceof LarderError) throw notFound(String(error.facts.id), error);
    throw error;
  }
}

/** 404 `InvalidParameter.NotFound` for an image cache, as other operations of the vendor's service answer. */
export function notFound(id: string, cause?: unknown) {
  return apiError('InvalidParameter.NotFound', { Param: 'ImageCacheId', Value: id }, { cause });
}

function fingerprintOf(params: object): string {
  const text = JSON.stringify(params, (name, value) => (NOT_COMPARED.has(name) ? undefined : value));
  return createHash('sha256').update(text).digest('hex');
}
