import { request as sendRequest } from 'undici';
import { systemClock } from '../lib/clock.ts';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { canonicalParameters, ECI_VERSION, flattenParameters, type WireValue } from '../rpc/index.ts';
import { parseAnswer, parseJson, readText, refusal } from './answer.ts';
import { eventData } from './server-sent-events.ts';
import { type Credentials, signRequest, type UnsignedRequest } from './sign-request.ts';

export type ClientOptions = Credentials & {
  /** `http://127.0.0.1:4620`; plain http when there is no scheme. */
  readonly endpoint: string;
  /** Sent as RegionId with every call that names none. */
  readonly regionId: string;
  /** For one call from the first byte to the last, and for the answer to begin where it is a stream. */
  readonly timeoutMs: number;
};

/** In the API's names, as lists and objects or already flat (`Image.1`). */
export type CallParams = { readonly [name: string]: WireValue };
export type CallOptions = { readonly signal?: AbortSignal };

export type Client = {
  /** The answer of an action in the API's field names; throws an ApiCallError when the server refuses. */
  call(action: string, params?: CallParams, options?: CallOptions): Promise<Record<string, unknown>>;
  /** The events of a stream of the server (`/events`), each parsed from its JSON; ends with the stream, throws on abort. */
  openEvents(path: string, query?: CallParams, options?: CallOptions): AsyncIterable<unknown>;
};

/** The server says something on a stream every few seconds; a silence this long means that it is gone. */
const MAX_SILENCE_MS = 30_000;

type Answer = Awaited<ReturnType<typeof sendRequest>>;

/** A client of the API of Larder or anything compatible with it; signs with V3 and keeps no state but its settings. */
export function createClient(options: ClientOptions): Client {
  const { regionId, timeoutMs } = options;
  const origin = parseEndpoint(options.endpoint);

  return {
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
  };

  function send(
    request: Omit<UnsignedRequest, 'origin'>,
    limits: { signal: AbortSignal | undefined; headersTimeout?: number; bodyTimeout?: number },
  ): Promise<Answer> {
    const { url, headers } = signRequest({ ...request, origin }, { credentials: options, nowMs: systemClock.now() });
    const { signal = null, ...timeouts } = limits;
    return sendRequest(url, { method: request.method, headers, body: request.body || null, signal, ...timeouts });
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
    return new LarderError('client.connection-failed', `${origin.origin}: ${describeError(cause)}`, { cause });
  }
}

function parseEndpoint(endpoint: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`);
  const isPlain = url && url.pathname === '/' && url.search === '' && url.username === '';
  if (!isPlain || !/^https?:$/.test(url.protocol))
    throw new LarderError('client.bad-endpoint', `${endpoint} is no endpoint; one looks like http://127.0.0.1:4620`);
  return url;
}
