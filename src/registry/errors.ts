import { z } from 'zod';
import { type ErrorFacts, errorCode, LarderError } from '../lib/errors.ts';
import type { RetryVerdict } from '../lib/retry.ts';

export type RegistryErrorCode =
  | 'registry.unreachable'
  | 'registry.timeout'
  | 'registry.interrupted'
  | 'registry.tls'
  | 'registry.plain-http'
  | 'registry.unauthorized'
  | 'registry.forbidden'
  | 'registry.not-found'
  | 'registry.rate-limited'
  | 'registry.server-error'
  | 'registry.invalid-response'
  | 'registry.digest-mismatch'
  | 'registry.size-mismatch'
  | 'registry.realm-refused'
  | 'registry.redirect-refused'
  | 'registry.address-refused';

/** What may be different the next time. */
const RETRYABLE: ReadonlySet<string> = new Set<RegistryErrorCode>([
  'registry.unreachable',
  'registry.timeout',
  'registry.interrupted',
  'registry.rate-limited',
  'registry.server-error',
]);

export function registryError(
  code: RegistryErrorCode,
  message: string,
  options: { cause?: unknown; facts?: ErrorFacts } = {},
): LarderError<RegistryErrorCode> {
  return new LarderError(code, message, options);
}

/** Whether to try again, and when the server asked for that. */
export function judge(error: unknown): RetryVerdict {
  if (!(error instanceof LarderError) || !RETRYABLE.has(error.code)) return { retry: false };
  // A name that does not exist will not exist in a second either.
  if (error.facts.reason === 'ENOTFOUND') return { retry: false };
  const { retryAfterMs } = error.facts;
  return typeof retryAfterMs === 'number' ? { retry: true, delayMs: retryAfterMs } : { retry: true };
}

const TIMEOUTS: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time (limit connectMs)',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time (limit headersMs)',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped coming (limit idleMs)',
  CONNECT_TIMEOUT: 'no connection in time (limit connectMs)',
  HEAD_TIMEOUT: 'no answer in time (limit headersMs)',
  BODY_TIMEOUT: 'the answer stopped coming (limit idleMs)',
  ETIMEDOUT: 'no connection in time',
};

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the name server does not answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
  UND_ERR_SOCKET: 'it closed the connection',
  ERR_STREAM_PREMATURE_CLOSE: 'it closed the connection',
};

/** The TLS client saw something that is not TLS. */
const NOT_TLS = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_UNEXPECTED_MESSAGE',
]);
/** OpenSSL's reasons why a certificate does not verify, which node uses as codes; and the host name's mismatch. */
const CERTIFICATE =
  /CERT|ERR_TLS_|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY|DECRYPT)|INVALID_CA|PATH_LENGTH|HOSTNAME_MISMATCH/;

/** Gives an error of undici, node or the lookup our code and words; `host` is whom we talked to. */
export function translateNetworkError(error: unknown, host: string): LarderError {
  if (error instanceof LarderError) return error;
  const reason = errorCode(error) ?? 'unknown';
  const options = { cause: error, facts: { host, reason } };
  if (TIMEOUTS[reason]) return registryError('registry.timeout', `${host} is too slow: ${TIMEOUTS[reason]}`, options);
  if (NOT_TLS.has(reason)) {
    return registryError(
      'registry.plain-http',
      `${host} does not speak TLS; if it is a plain HTTP registry that you trust, list it: --plain-http ${host}`,
      options,
    );
  }
  if (CERTIFICATE.test(reason)) {
    return registryError(
      'registry.tls',
      `the TLS certificate of ${host} is not trusted (${reason}); if you trust the registry all the same: --insecure ${host}`,
      options,
    );
  }
  if (reason.startsWith('ERR_SSL_') || reason === 'EPROTO') {
    return registryError('registry.tls', `no TLS connection with ${host} (${reason})`, options);
  }
  if (reason.startsWith('HPE_') || reason === 'UND_ERR_HEADERS_OVERFLOW') {
    return registryError('registry.invalid-response', `the answer of ${host} is not HTTP (${reason})`, options);
  }
  return registryError('registry.unreachable', `cannot reach ${host}: ${REASONS[reason] ?? reason}`, options);
}

/** What an answer that is not a success is about. */
export type FailureContext = {
  /** The host that answered. */
  host: string;
  /** It is not the registry, but where the registry sent us. */
  foreign: boolean;
  /** `manifest 1.25 of team/app`: what was asked for. */
  subject: string;
  nowMs: number;
};

/** The error for an HTTP status of 300 and more, with what the registry says about it. 401 is the business of the login. */
export function failureOf(
  answer: { status: number; retryAfter: string | undefined; body: string },
  context: FailureContext,
): LarderError {
  const { status } = answer;
  const { host, subject } = context;
  const detail = errorDetail(answer.body);
  const facts: ErrorFacts = { host, status };
  const told = detail === '' ? '' : `: ${detail}`;
  if (status === 429) return rateLimited(answer.retryAfter, { ...context, told });
  if (status >= 500 || status === 408) {
    return registryError('registry.server-error', `${host} failed with status ${status} on ${subject}${told}`, {
      facts: { ...facts, ...retryAfterFact(answer.retryAfter, context.nowMs) },
    });
  }
  if (context.foreign) {
    // A signed address that has expired, for example: the registry will give a new one.
    const message = `${host}, where the registry keeps ${subject}, answers with status ${status}${told}`;
    return registryError('registry.server-error', message, { facts });
  }
  if (status === 404) return registryError('registry.not-found', `${host} has no ${subject}${told}`, { facts });
  if (status === 403) {
    return registryError('registry.forbidden', `${host} does not let this user read ${subject}${told}`, { facts });
  }
  return registryError('registry.invalid-response', `${host} answers with status ${status} to ${subject}${told}`, {
    facts,
  });
}

function rateLimited(retryAfter: string | undefined, context: FailureContext & { told: string }): LarderError {
  const facts = { host: context.host, status: 429, ...retryAfterFact(retryAfter, context.nowMs) };
  const advice = 'log in for a higher limit, or try later';
  return registryError('registry.rate-limited', `${context.host} limits our requests (429)${context.told}; ${advice}`, {
    facts,
  });
}

/** RFC 9110, 10.2.3: seconds or a date. */
function retryAfterFact(header: string | undefined, nowMs: number): ErrorFacts {
  if (header === undefined) return {};
  const retryAfterMs = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(retryAfterMs) ? { retryAfterMs: Math.max(0, retryAfterMs) } : {};
}

const MAX_DETAIL_LENGTH = 300;

/** The registry's own words: `{"errors":[{"code":"DENIED","message":"…"}]}` (distribution-spec, error codes), else plain text. */
export function errorDetail(body: string): string {
  return clean(readErrors(body) ?? (/^\s*[<{[]/.test(body) ? '' : body));
}

const text = z.string().optional().catch(undefined);
const errorsSchema = z.object({ errors: z.array(z.object({ code: text, message: text })) });
/** Token servers: RFC 6749, 5.2, and Docker Hub's `details`. */
const otherErrorSchema = z.object({ error_description: text, details: text, message: text });

function readErrors(body: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const first = errorsSchema.safeParse(value).data?.errors[0];
  if (first) return [first.code, first.message].filter(Boolean).join(' ');
  const other = otherErrorSchema.safeParse(value).data;
  return other?.error_description ?? other?.details ?? other?.message;
}

/** One line, printable, short: it ends up in events and terminals. */
function clean(words: string): string {
  const line = words.replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();
  return line.length > MAX_DETAIL_LENGTH ? `${line.slice(0, MAX_DETAIL_LENGTH)}…` : line;
}
