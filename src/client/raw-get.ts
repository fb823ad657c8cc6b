import type { ConnectionOptions } from 'node:tls';
import { LarderError } from '../lib/errors.ts';
import { openSocketReader, type SocketReader } from './socket-reader.ts';

/** Node.js's own limit of a head is a quarter of this. */
const MAX_HEAD_BYTES = 64 << 10;
const HEAD_END = '\r\n\r\n';
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})/;

export type RawAnswer = {
  readonly status: number;
  /** The first of each name, in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The next bytes of the body, valid until the call after; undefined at its end. */
  read(): Promise<Uint8Array | undefined>;
  close(): void;
};

/**
 * A GET on a connection of its own, whose body of known length is read without garbage (socket-reader.ts). Undefined when the
 * answer is of another kind, as a refusal or one without a length is: whoever asks has a whole client for those.
 */
export async function rawGet(
  url: string,
  options: {
    headers: Readonly<Record<string, string>>;
    tls: ConnectionOptions;
    signal: AbortSignal | undefined;
    /** The longest waits for the head, and for the next bytes of the body. */
    headMs: number;
    silenceMs: number;
  },
): Promise<RawAnswer | undefined> {
  const target = new URL(url);
  const reader = openSocketReader(target, options);
  try {
    const lines = Object.entries(options.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const { pathname, search } = target;
    reader.socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`);
    const { head, rest } = await readHead(reader, options.headMs);
    const [statusLine = '', ...fields] = head.split('\r\n');
    const status = Number(STATUS_LINE.exec(statusLine)?.[1] ?? 0);
    const headers = parseFields(fields);
    const length = Number(headers.get('content-length') ?? Number.NaN);
    const isPlain = (status === 200 || status === 206) && !headers.has('transfer-encoding');
    if (isPlain && Number.isSafeInteger(length)) {
      const read = bodyReader(reader, { rest, length, silenceMs: options.silenceMs });
      return { status, headers, read, close: () => void reader.socket.destroy() };
    }
  } catch (error) {
    reader.socket.destroy();
    throw error;
  }
  reader.socket.destroy();
  return undefined;
}

async function readHead(reader: SocketReader, headMs: number): Promise<{ head: string; rest: Uint8Array }> {
  for (let seen = Buffer.alloc(0); seen.length <= MAX_HEAD_BYTES; ) {
    const chunk = await reader.read(headMs);
    if (chunk === undefined) throw broken('the connection ended before an answer');
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf(HEAD_END);
    if (end !== -1) return { head: seen.toString('latin1', 0, end), rest: seen.subarray(end + HEAD_END.length) };
  }
  throw new LarderError('client.bad-answer', `the head of the answer is longer than ${MAX_HEAD_BYTES} bytes`);
}

function parseFields(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    if (colon > 0 && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

function bodyReader(
  reader: SocketReader,
  { rest, length, silenceMs }: { rest: Uint8Array; length: number; silenceMs: number },
): () => Promise<Uint8Array | undefined> {
  let left = length;
  let first: Uint8Array | undefined = rest;
  return async () => {
    if (left === 0) return undefined;
    const chunk = first?.length ? first : await reader.read(silenceMs);
    first = undefined;
    if (chunk === undefined) throw broken(`the connection ended ${left} bytes too early`);
    const wanted = chunk.subarray(0, left);
    left -= wanted.length;
    if (left === 0) reader.socket.end();
    return wanted;
  };
}

function broken(message: string): LarderError {
  return new LarderError('client.connection-failed', message);
}
