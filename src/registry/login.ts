import { z } from 'zod';
import { LarderError } from '../lib/errors.ts';
import { withRetry } from '../lib/retry.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Credential } from './credentials.ts';
import type { Endpoint } from './endpoint.ts';
import { errorDetail, failureOf, judge, registryError } from './errors.ts';
import { MAX_TOKEN_RESPONSE_BYTES, type RegistrySettings } from './settings.ts';
import { type Answer, readBody, readErrorText, type Transport } from './transport.ts';

/** An `Authorization` header and how long it holds. */
export type Authorization = { readonly header: string; readonly expiresAtMs: number };

/** distribution-spec's token documentation: a token without `expires_in` holds for 60 seconds. */
const DEFAULT_TOKEN_LIFETIME_S = 60;
/** A token that ends within this time is not begun with. */
const EXPIRY_MARGIN_MS = 5000;
const CLIENT_ID = 'larder';

export type LoginRequest = {
  readonly endpoint: Endpoint;
  readonly repository: string;
  /** The registry's `WWW-Authenticate` headers. */
  readonly challenges: string | readonly string[] | undefined;
  readonly credential: Credential | undefined;
  readonly signal: AbortSignal;
};

/**
 * Answers a registry's challenge: with a token of the realm it names, else with Basic.
 * Throws `registry.unauthorized`, `registry.realm-refused`, or what the realm's server fails with.
 */
export async function answerChallenge(
  request: LoginRequest,
  transport: Transport,
  settings: RegistrySettings,
): Promise<Authorization> {
  const challenges = parseChallenges(request.challenges);
  const bearer = challenges.find(({ scheme, parameters }) => scheme === 'bearer' && parameters.has('realm'));
  if (bearer) return fetchToken(bearer, request, { transport, settings });
  const { credential, endpoint } = request;
  if (challenges.some(({ scheme }) => scheme === 'basic') && credential && 'username' in credential) {
    return { header: basic(credential), expiresAtMs: Number.POSITIVE_INFINITY };
  }
  throw unauthorized(endpoint, credential, credential ? 'it offers no way to log in that Larder knows' : '');
}

async function fetchToken(
  challenge: Challenge,
  request: LoginRequest,
  { transport, settings }: { transport: Transport; settings: RegistrySettings },
): Promise<Authorization> {
  const { endpoint, credential, signal } = request;
  const realm = readRealm(challenge.parameters.get('realm') ?? '', endpoint);
  const parameters = new URLSearchParams({
    ...(challenge.parameters.has('service') ? { service: challenge.parameters.get('service') ?? '' } : {}),
    scope: challenge.parameters.get('scope') ?? `repository:${request.repository}:pull`,
  });
  const call = tokenCall(realm, parameters, credential);
  const attempt = async () => {
    const answer = await transport(endpoint, { ...call, signal }).catch((error: unknown) => {
      const isAddress = error instanceof LarderError && error.code === 'registry.address-refused';
      throw isAddress ? realmRefused(endpoint, realm.host, error.message) : error;
    });
    const token = await readToken(answer, request, settings.clock.now());
    const lifetimeMs = token.lifetimeS * 1000 - EXPIRY_MARGIN_MS;
    return { header: `Bearer ${token.text}`, expiresAtMs: settings.clock.now() + lifetimeMs };
  };
  return withRetry(attempt, { policy: settings.retry, judge, signal });
}

/** A GET with Basic (distribution's token specification), or the refresh of an identity token (its OAuth 2 sister). */
function tokenCall(realm: URL, parameters: URLSearchParams, credential: Credential | undefined) {
  if (credential && 'identityToken' in credential) {
    const form = new URLSearchParams(parameters);
    form.set('grant_type', 'refresh_token');
    form.set('client_id', CLIENT_ID);
    form.set('refresh_token', credential.identityToken);
    return { url: realm, form };
  }
  const url = new URL(realm);
  for (const [name, value] of parameters) url.searchParams.set(name, value);
  return credential ? { url, authorization: basic(credential) } : { url };
}

/** The realm gets the user's password, so it must be as safe as the registry that names it. */
function readRealm(text: string, endpoint: Endpoint): URL {
  const realm = URL.parse(text);
  if (!realm || (realm.protocol !== 'https:' && realm.protocol !== 'http:')) {
    throw realmRefused(endpoint, text, 'it is not a web address');
  }
  if (realm.protocol === 'http:' && endpoint.origin.startsWith('https:')) {
    throw realmRefused(endpoint, realm.host, 'it is plain HTTP, the registry is not');
  }
  if (realm.username !== '' || realm.password !== '')
    throw realmRefused(endpoint, realm.host, 'its address holds a user name');
  return realm;
}

const tokenSchema = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().positive().nullish(),
});
/** It becomes a header (RFC 6750, b64token, and what real servers add to it). */
const TOKEN = /^[\x21-\x7e]+$/;

async function readToken(
  answer: Answer,
  request: LoginRequest,
  nowMs: number,
): Promise<{ text: string; lifetimeS: number }> {
  const { status, host } = answer;
  if (status !== 200) {
    const body = await readErrorText(answer);
    if (status === 401 || status === 403) throw unauthorized(request.endpoint, request.credential, errorDetail(body));
    const retryAfter = answer.headers['retry-after'];
    if (status === 429 || status === 408 || status >= 500) {
      throw failureOf({ status, retryAfter, body }, { host, foreign: true, subject: 'its tokens', nowMs });
    }
    throw badToken(host, `it answers with status ${status} ${errorDetail(body)}`.trimEnd());
  }
  const body = await readBody(answer, MAX_TOKEN_RESPONSE_BYTES);
  if (body === undefined) throw badToken(host, `the answer is larger than ${MAX_TOKEN_RESPONSE_BYTES} bytes`);
  const parsed = tokenSchema.safeParse(readJson(body));
  const text = parsed.data?.token || parsed.data?.access_token;
  if (!text || !TOKEN.test(text)) throw badToken(host, 'the answer holds no usable token');
  return { text, lifetimeS: parsed.data?.expires_in ?? DEFAULT_TOKEN_LIFETIME_S };
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

function basic(credential: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
}

function badToken(host: string, reason: string): LarderError {
  return registryError('registry.invalid-response', `no token from ${host}: ${reason}`, { facts: { host } });
}

function realmRefused(endpoint: Endpoint, realm: string, reason: string): LarderError {
  const shown = realm.slice(0, 200);
  return registryError(
    'registry.realm-refused',
    `registry ${endpoint.registry} wants the login to go to ${JSON.stringify(shown)}, which is refused: ${reason}`,
    { facts: { registry: endpoint.registry, realm: shown } },
  );
}

/** Names the registry and whether a credential was used; never the credential. */
export function unauthorized(endpoint: Endpoint, credential: Credential | undefined, detail: string): LarderError {
  const { registry } = endpoint;
  const reason = credential
    ? `it refuses the credential configured for it`
    : `there is no credential for it (if the image is private, or to be sure that it exists: --credential ${registry}=USER:PASSWORD)`;
  return registryError(
    'registry.unauthorized',
    `${registry} asks for a login: ${reason}${detail === '' ? '' : `: ${detail}`}`,
    {
      facts: { registry, credentialUsed: credential !== undefined },
    },
  );
}
