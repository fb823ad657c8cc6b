import { request } from 'undici';
import { LarderError } from '../lib/errors.ts';
import type { Endpoint } from './endpoint.ts';
import { registryError, translateNetworkError } from './errors.ts';
import { getAlone, type Response } from './get-alone.ts';
import type { Network, Route } from './network.ts';
import { DOWNLOAD_BUFFER_BYTES, MAX_ERROR_BYTES, type RegistrySettings } from './settings.ts';

export type Call = {
  readonly url: URL;
  /** Sent to the URL's own origin, and to no other that a redirect leads to. */
  readonly authorization?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A form to POST; such a call follows no redirect. GET when absent. */
  readonly form?: URLSearchParams;
  /** Of an answer that is worth a connection of its own: each chunk of its body is valid until the next is asked for. */
  readonly isLarge?: boolean;
  readonly signal: AbortSignal;
};

export type Answer = Response & {
  /** Who answered, after redirects. */
  readonly host: string;
  /** A redirect led away from the registry on the way here: nothing this answer asks for concerns our credentials. */
  readonly foreign: boolean;
};

/** One call on behalf of a registry, its redirects followed by hand under the rules below. Any status is an answer. */
export type Transport = (endpoint: Endpoint, call: Call) => Promise<Answer>;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export function createTransport(network: Network, settings: RegistrySettings): Transport {
  async function exchange(url: URL, route: Route, call: Call, authorization: string | undefined): Promise<Response> {
    const { form, signal } = call;
    const headers: Record<string, string> = {
      'user-agent': settings.userAgent,
      // Bytes are checked against digests as they are stored, so nobody may pack them once more.
      'accept-encoding': 'identity',
      ...call.headers,
      ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      ...(authorization === undefined ? {} : { authorization }),
    };
    try {
      await network.checkHost(url, route);
      const alone =
        call.isLarge && (await getAlone(url, { connect: network.connect(route), headers, settings, signal }));
      return alone || (await viaAgent(url, route, { headers, form, signal }));
    } catch (error) {
      signal.throwIfAborted();
      throw translateNetworkError(error, url.host);
    }
  }

  async function viaAgent(
    url: URL,
    route: Route,
    { headers, form, signal }: { headers: Record<string, string>; form: Call['form'] | undefined; signal: AbortSignal },
  ): Promise<Response> {
    const { statusCode, ...response } = await request(url, {
      dispatcher: network.agent(route),
      method: form ? 'POST' : 'GET',
      headers,
      body: form?.toString() ?? null,
      signal,
      highWaterMark: DOWNLOAD_BUFFER_BYTES,
    });
    // A body that is given up before anybody reads it fails too; with nobody listening that would end the process.
    response.body.on('error', () => undefined);
    return { status: statusCode, headers: response.headers, body: response.body };
  }

  return async (endpoint, call) => {
    let { url, authorization } = call;
    let foreign = false;
    for (let redirects = 0; ; redirects++) {
      const route = routeTo(url, endpoint, { network, insecure: settings.insecure });
      const response = await exchange(url, route, call, authorization).catch((error: unknown) => {
        throw redirects > 0 ? refusedIfAddress(error, endpoint) : error;
      });
      const { status, headers, body } = response;
      if (!REDIRECTS.has(status) || call.form) return { status, headers, body, host: url.host, foreign };
      await body.dump({ limit: MAX_ERROR_BYTES, signal: call.signal });
      if (redirects >= settings.maxRedirects)
        throw refused(endpoint, `more than ${settings.maxRedirects} redirects (limit maxRedirects)`);
      const target = redirectTarget(url, headers.location, endpoint);
      if (target.origin !== url.origin) {
        // Once dropped it stays dropped: a chain that comes back is not the registry asking (CVE-2020-15157).
        authorization = undefined;
        foreign = true;
      }
      url = target;
    }
  };
}

/** The host that the user named may be anywhere; any other must lie where the registry's answers may lead. */
function routeTo(url: URL, endpoint: Endpoint, context: { network: Network; insecure: ReadonlySet<string> }): Route {
  if (url.hostname === endpoint.hostname) return { verifyTls: endpoint.verifyTls };
  return { verifyTls: !context.insecure.has(url.host), sentFrom: context.network.scopeOf(endpoint.hostname) };
}

function redirectTarget(from: URL, location: string | string[] | undefined, endpoint: Endpoint): URL {
  const target = typeof location === 'string' ? URL.parse(location, from.href) : null;
  if (target === null) {
    throw registryError('registry.invalid-response', `${from.host} redirects to an address that is none`, {
      facts: { host: from.host },
    });
  }
  if (target.protocol !== 'https:' && target.protocol !== 'http:')
    throw refused(endpoint, `it leads to ${target.protocol}`);
  if (target.protocol === 'http:' && endpoint.origin.startsWith('https:')) {
    throw refused(endpoint, `it leads from HTTPS to plain HTTP at ${target.host}`);
  }
  if (target.username !== '' || target.password !== '') throw refused(endpoint, 'its address holds a user name');
  return target;
}

function refusedIfAddress(error: unknown, endpoint: Endpoint): unknown {
  const isAddress = error instanceof LarderError && error.code === 'registry.address-refused';
  return isAddress ? refused(endpoint, error.message) : error;
}

function refused(endpoint: Endpoint, reason: string): LarderError {
  return registryError(
    'registry.redirect-refused',
    `a redirect of registry ${endpoint.registry} is not followed: ${reason}`,
    {
      facts: { registry: endpoint.registry },
    },
  );
}

/** The first bytes of an answer as text, for an error's message; never throws. */
export async function readErrorText(answer: Answer): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= MAX_ERROR_BYTES) break;
    }
  } catch {
    // What came before the cut is all there is to tell.
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_ERROR_BYTES);
}

/** The whole body, at most `maxBytes`; undefined when it is larger. */
export async function readBody(answer: Answer, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body) {
      size += chunk.byteLength;
      if (size > maxBytes) return undefined;
      chunks.push(chunk);
    }
  } catch (error) {
    throw translateNetworkError(error, answer.host);
  }
  return Buffer.concat(chunks);
}
