import { LarderError } from '../lib/errors.ts';
import { type RandomBytes, randomAlphanumeric } from '../lib/ids.ts';
import type { AccessKeyPair } from './access-key.ts';

/** The security token service's limits: a quarter of an hour to half a day. */
export const MIN_TOKEN_SECONDS = 15 * 60;
export const MAX_TOKEN_SECONDS = 12 * 60 * 60;
export const DEFAULT_TOKEN_SECONDS = 60 * 60;
/** For so long after its end, a key is answered "expired"; then it is forgotten, and answered "not found". */
export const EXPIRED_TOKEN_KEPT_MS = 24 * 60 * 60_000;

/** How a temporary key differs from others, for whoever reads it. */
export const TEMPORARY_KEY_PREFIX = 'STS.';
const ID_RANDOM_LENGTH = 25;
const SECRET_LENGTH = 44;
const TOKEN_BYTES = 96;

export type TemporaryKeyPair = AccessKeyPair & { readonly securityToken: string };

/** A temporary key with its token. The token is random, it holds nothing: what it stands for is kept by the server. */
export function newTemporaryKeyPair(randomBytes: RandomBytes): TemporaryKeyPair {
  return {
    id: TEMPORARY_KEY_PREFIX + randomAlphanumeric(ID_RANDOM_LENGTH, randomBytes),
    secret: randomAlphanumeric(SECRET_LENGTH, randomBytes),
    securityToken: Buffer.from(randomBytes(TOKEN_BYTES)).toString('base64'),
  };
}

/** Throws `accounts.token-duration` for less than MIN_TOKEN_SECONDS or more than MAX_TOKEN_SECONDS. */
export function checkTokenSeconds(seconds: number): number {
  if (Number.isSafeInteger(seconds) && seconds >= MIN_TOKEN_SECONDS && seconds <= MAX_TOKEN_SECONDS) return seconds;
  const message = `a temporary key lasts ${MIN_TOKEN_SECONDS} to ${MAX_TOKEN_SECONDS} whole seconds (15 minutes to 12 hours)`;
  throw new LarderError('accounts.token-duration', message);
}
