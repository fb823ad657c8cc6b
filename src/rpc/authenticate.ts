import type { Clock } from '../lib/clock.ts';
import { apiError } from './api-error.ts';
import { readCredentials } from './credentials.ts';
import { equalText } from './equal-text.ts';
import { type RequestParameters, readParameters } from './parameters.ts';
import type { AccessKeyFacts, Authenticator, Principal, SignatureFailures } from './ports.ts';
import type { RpcRequest } from './types.ts';

/** Who sent a request whose signature was found good. */
export type Caller = {
  readonly accountId: string;
  readonly accessKeyId: string;
  readonly principal: Principal;
};

/** Checks the signature of a request and says who sent it; throws an ApiError when it does not hold. */
export type Authenticate = (request: RpcRequest, parameters?: RequestParameters) => Promise<Caller>;

/** How far the time of a request may be from ours, either way. */
export const MAX_SKEW_MS = 15 * 60_000;
/** A request may be dated MAX_SKEW_MS ahead and then stays valid as long again, so its nonce is kept for both. */
export const NONCE_TTL_MS = 2 * MAX_SKEW_MS;
/** The longest in use is 64 hex digits; it is a column of the store. */
export const MAX_NONCE_CHARS = 128;
const MAX_ACCESS_KEY_ID_CHARS = 128;
/** Tokens are base64 of some kind; the vendor's are up to a few kilobytes. */
const SECURITY_TOKEN = /^[A-Za-z0-9+/=._-]{1,8192}$/;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

/**
 * The gateway's checks of a signed request, in its order. They hold for every path: V3 signs the path, V1 is taken on `/` only.
 *
 * The nonce comes last, though the documents name it before the signature: only a request with a good signature may use up a
 * nonce, and looking it up and storing it must be one step. A replay has a good signature, so it gets SignatureNonceUsed all
 * the same.
 */
export function createAuthenticate(options: {
  authenticator: Authenticator;
  clock: Clock;
  /** Absent: signatures may be wrong as often as one likes. */
  failures?: SignatureFailures | undefined;
}): Authenticate {
  const { authenticator, clock, failures } = options;
  return async (request, parameters = readParameters(request)) => {
    const credentials = readCredentials(request, parameters);
    const nowMs = clock.now();
    checkTimestamp(credentials.timestamp, nowMs);
    if (credentials.accessKeyId.length > MAX_ACCESS_KEY_ID_CHARS) throw apiError('InvalidAccessKeyId.NotFound');
    const key = await authenticator.findAccessKey(credentials.accessKeyId);
    if (key === undefined) throw apiError('InvalidAccessKeyId.NotFound');
    if (!key.active) throw apiError('InvalidAccessKeyId.Inactive');
    checkSecurityToken(key, credentials.securityToken, nowMs);
    credentials.checkMethod();
    if (credentials.nonce.length > MAX_NONCE_CHARS) throw apiError('Invalid{Param}', { Param: 'SignatureNonce' });
    const retryAfterMs = failures?.waitMs(request.peer, key.id, nowMs) ?? 0;
    if (retryAfterMs > 0) throw apiError('Throttling', {}, { retryAfterMs });
    try {
      credentials.verify(key.secret);
    } catch (error) {
      failures?.failed(request.peer, key.id, nowMs);
      throw error;
    }
    failures?.succeeded(request.peer, key.id);
    const isNew = await authenticator.rememberNonce(key.id, credentials.nonce, nowMs + NONCE_TTL_MS);
    if (!isNew) throw apiError('SignatureNonceUsed');
    return { accountId: key.accountId, accessKeyId: key.id, principal: key.principal };
  };
}

function checkTimestamp(text: string, nowMs: number): void {
  const timeMs = TIMESTAMP.test(text) ? Date.parse(text) : Number.NaN;
  // Days that no month has, and 24 o'clock, are another day to the parser.
  if (new Date(timeMs).getUTCDate() !== Number(text.slice(8, 10))) throw apiError('InvalidTimeStamp.Format');
  if (Math.abs(nowMs - timeMs) > MAX_SKEW_MS) throw apiError('InvalidTimeStamp.Expired');
}

function checkSecurityToken(key: AccessKeyFacts, token: string | undefined, nowMs: number): void {
  if (key.securityToken === undefined && token === undefined) return;
  if (token === undefined) throw apiError('MissingSecurityToken');
  if (key.securityToken === undefined || !equalText(key.securityToken, token)) {
    if (!SECURITY_TOKEN.test(token)) throw apiError('InvalidSecurityToken.Malformed');
    throw apiError('InvalidSecurityToken.MismatchWithAccessKey');
  }
  if (key.expiresAtMs !== undefined && key.expiresAtMs <= nowMs) throw apiError('InvalidSecurityToken.Expired');
}
