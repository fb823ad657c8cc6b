import type { IncomingHttpHeaders } from 'node:http';
import { type RawAnswer, rawGet } from '../lib/raw-get.ts';
import type { Connect } from '../lib/socket-reader.ts';
import type { RegistrySettings } from './settings.ts';

export type Response = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: ResponseBody;
};

/** Read to its end, destroyed, or dumped: so much of it is read then, at the most, where that saves the connection. */
type ResponseBody = AsyncIterable<Uint8Array> & {
  destroy(): void;
  dump(options?: { limit: number; signal: AbortSignal }): Promise<unknown>;
};

/**
 * A GET on a connection of its own, whose body makes no garbage. Undefined for answers of unknown length, and where there is
 * no direct way: ask with undici then.
 */
export async function getAlone(
  url: URL,
  options: {
    connect: Connect | undefined;
    headers: Readonly<Record<string, string>>;
    settings: RegistrySettings;
    signal: AbortSignal;
  },
): Promise<Response | undefined> {
  const { connect, headers, signal } = options;
  const { headersMs: headMs, idleMs: silenceMs } = options.settings.timeouts;
  const answer = connect && (await rawGet(url, { connect, headers, signal, headMs, silenceMs }));
  if (!answer) return undefined;
  const close = () => answer.close();
  const body = { [Symbol.asyncIterator]: () => chunksOf(answer), destroy: close, dump: async () => close() };
  return { status: answer.status, headers: answer.headers, body };
}

async function* chunksOf(answer: RawAnswer): AsyncGenerator<Uint8Array> {
  for (let chunk = await answer.read(); chunk; chunk = await answer.read()) yield chunk;
}
