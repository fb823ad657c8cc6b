import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request as sendRequest } from 'undici';
import { systemClock } from '../lib/clock.ts';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { rawGet } from '../lib/raw-get.ts';
import { canonicalParameters, ECI_VERSION, flattenParameters, type WireValue } from '../rpc/index.ts';
import { parseAnswer, parseJson, readText, refusal } from './answer.ts';
import { eventData } from './server-sent-events.ts';
import { type Credentials, signRequest, type UnsignedRequest } from './sign-request.ts';
import { type Trust, trustOptions } from './trust.ts';

export type ClientOptions = Credentials & {
  /** `http://127.0.0.1:4620`; plain http when there is no scheme. */
  readonly endpoint: string;
  /** Sent as RegionId with every call that names none. */
  readonly regionId: string;
  /** For one call from the first byte to the last, and for the answer to begin where it is a stream. */
  readonly timeoutMs: number;
  /** For an endpoint whose certificate no well-known authority vouches for. */
  readonly trust?: Trust | undefined;
};

/** In the API's names, as lists and objects or already flat (`Image.1`). */
export type CallParams = { readonly [name: string]: WireValue };
export type CallOptions = { readonly signal?: AbortSignal };

export type Client = {
  /** The answer of an action in the API's field names; throws an ApiCallError when the server refuses. */
  call(action: string, params?: CallParams, options?: CallOptions): Promise<Record<string, unknown>>;
  /** The events of a stream of the server (`/events`), each parsed from its JSON; ends with the stream, throws on abort. */
  openEvents(path: string, query?: CallParams, options?: CallOptions): AsyncIterable<unknown>;
  /** A signed GET of what is no document of the API. The body must be read to its end, or its iteration broken off. */
  openBody(path: string, query?: CallParams, options?: CallOptions & { range?: string }): Promise<AnswerBody>;
  /** The same for gigabytes, on a connection of its own: each chunk is valid until the next is asked for. */
  openLargeBody(path: string, query?: CallParams, options?: CallOptions & { range?: string }): Promise<AnswerBody>;
};

/** `bytes` throws `client.timeout` after a silence, `client.connection-failed` when the connection breaks. */
export type AnswerBody = {
  readonly status: number;
  /** By lower-case name; what came several times is joined. */
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: AsyncIterable<Uint8Array>;
};

/** The server says something on a stream every few seconds; a silence this long means that it is gone. */
const MAX_SILENCE_MS = 30_000;

/** OpenSSL's reasons why a certificate does not verify, which node uses as codes; and the host name's mismatch. */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|INVALID_CA/;

type Answer = Awaited<ReturnType<typeof sendRequest>>;

/** A client of the API of Larder or anything compatible with it; signs with V3 and keeps no state but its settings. */
export function createClient(options: ClientOptions): Client {
  const { regionId, timeoutMs } = options;
  const origin = parseEndpoint(options.endpoint);
  const tls = options.trust ? trustOptions(options.trust) : {};
  const dispatcher = options.trust && new Agent({ connect: tls });

  const client: Client = {
    async call(action, params = {}, { signal } = {}) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const request = {
        method: 'POST',
        path: '/',
        query: new Map<string, string>(),
        // In the body, so that no length of a URL limits the parameters.
        body: canonicalParameters(flattenParameters({ RegionId: regionId, ...params })),
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'x-acs-action': action,
          'x-acs-version': ECI_VERSION,
        },
      } as const;
      const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      return translate(signal, timeout, async () => {
        const answer = await send(request, { signal: either });
        return parseAnswer(answer.statusCode, await readText(answer.body));
      });
    },

    async *openEvents(path, query = {}, { signal } = {}) {
      const flat = flattenParameters({ RegionId: regionId, ...query });
      const request = { method: 'GET', path, query: flat, body: '', headers: {} } as const;
      const answer = await translate(signal, undefined, () =>
        send(request, { signal, headersTimeout: timeoutMs, bodyTimeout: MAX_SILENCE_MS }),
      );
      try {
        if (answer.statusCode !== 200)
          throw refusal(answer.statusCode, await translate(signal, undefined, () => readText(answer.body)));
        const events = eventData(answer.body)[Symbol.asyncIterator]();
        for (;;) {
          const next = await translate(signal, undefined, () => events.next());
          if (next.done) return;
          yield parseJson(next.value);
        }
      } finally {
        answer.body.destroy();
      }
    },

    async openBody(path, query = {}, { signal, range } = {}) {
      const flat = flattenParameters({ RegionId: regionId, ...query });
      const headers: Record<string, string> = range === undefined ? {} : { range };
      const request = { method: 'GET', path, query: flat, body: '', headers } as const;
      const answer = await translate(signal, undefined, () =>
        send(request, { signal, headersTimeout: timeoutMs, bodyTimeout: MAX_SILENCE_MS }),
      );
      if (answer.statusCode !== 200 && answer.statusCode !== 206)
        throw refusal(answer.statusCode, await translate(signal, undefined, () => readText(answer.body)));
      return { status: answer.statusCode, headers: joinedHeaders(answer.headers), bytes: bytesOf(answer, signal) };
    },

    async openLargeBody(path, query = {}, { signal, range } = {}) {
      const flat = flattenParameters({ RegionId: regionId, ...query });
      const ranged: Record<string, string> = range === undefined ? {} : { range };
      const request = { method: 'GET', path, query: flat, body: '', headers: ranged, origin } as const;
      const { url, headers } = signRequest(request, { credentials: options, nowMs: systemClock.now() });
      const limits = { connect: { tls, timeoutMs }, signal, headMs: timeoutMs, silenceMs: MAX_SILENCE_MS };
      const answer = await translate(signal, undefined, () => rawGet(new URL(url), { headers, ...limits }));
      if (answer?.status !== 200 && answer?.status !== 206) {
        answer?.close();
        // Refusals are read there, and what a proxy makes of the answer.
        return client.openBody(path, query, { ...(signal ? { signal } : {}), ...ranged });
      }
      const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
        const value = await translate(signal, undefined, () => answer.read());
        return value === undefined ? { done: true, value } : { done: false, value };
      };
      const close = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
        answer.close();
        return { done: true, value: undefined };
      };
      const { status, headers: answered } = answer;
      return {
        status,
        headers: joinedHeaders(answered),
        bytes: { [Symbol.asyncIterator]: () => ({ next, return: close }) },
      };
    },
  };
  return client;

  async function* bytesOf(answer: Answer, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const chunks: AsyncIterator<Uint8Array> = answer.body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await translate(signal, undefined, () => chunks.next());
        if (next.done) return;
        yield next.value;
      }
    } finally {
      answer.body.destroy();
    }
  }

  async function send(
    request: Omit<UnsignedRequest, 'origin'>,
    limits: { signal: AbortSignal | undefined; headersTimeout?: number; bodyTimeout?: number },
  ): Promise<Answer> {
    const { url, headers } = signRequest({ ...request, origin }, { credentials: options, nowMs: systemClock.now() });
    const { signal = null, ...timeouts } = limits;
    const answer = await sendRequest(url, {
      method: request.method,
      headers,
      body: request.body || null,
      signal,
      ...timeouts,
      ...(dispatcher ? { dispatcher } : {}),
    });
    // A body that is given up before anybody reads it fails too; with nobody listening that would end the process.
    answer.body.on('error', () => undefined);
    return answer;
  }

  /** Runs the exchange and tells its failures apart: the caller's abort, the time-out, no server, a broken connection. */
  async function translate<T>(
    signal: AbortSignal | undefined,
    timeout: AbortSignal | undefined,
    exchange: () => Promise<T>,
  ): Promise<T> {
    try {
      return await exchange();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof LarderError) throw error;
      throw connectionError(error, timeout?.aborted === true);
    }
  }

  function connectionError(cause: unknown, timedOut: boolean): LarderError {
    const code = errorCode(cause);
    if (timedOut || code?.endsWith('_TIMEOUT'))
      return new LarderError('client.timeout', `${origin.origin} did not answer in time`, { cause });
    if (code === 'ECONNREFUSED')
      return new LarderError(
        'client.connection-refused',
        `nothing listens at ${origin.origin}: start it with \`larder serve\`, or set LARDER_ENDPOINT to where it runs`,
        { cause },
      );
    if (code !== undefined && UNTRUSTED.test(code))
      return new LarderError(
        'client.untrusted-certificate',
        `the certificate of ${origin.origin} is not trusted (${code}): name the one of its authority with LARDER_CA_CERT=FILE`,
        { cause },
      );
    return new LarderError('client.connection-failed', `${origin.origin}: ${describeError(cause)}`, { cause });
  }
}

function joinedHeaders(headers: IncomingHttpHeaders): ReadonlyMap<string, string> {
  const pairs = Object.entries(headers).map(([name, value]): [string, string] => [name, [value].flat().join(', ')]);
  return new Map(pairs);
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`);
  const isPlain = url && url.pathname === '/' && url.search === '' && url.username === '';
  if (!isPlain || !/^https?:$/.test(url.protocol))
    throw new LarderError('client.bad-endpoint', `${endpoint} is no endpoint; one looks like http://127.0.0.1:4620`);
  return url;
}
