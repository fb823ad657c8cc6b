import type { IncomingHttpHeaders } from 'node:http';
import { type Connect, openSocketReader, type SocketReader } from './socket-reader.ts';

/** Node.js's own limit of a head is a quarter of this. */
const MAX_HEAD_BYTES = 64 << 10;
const HEAD_END = '\r\n\r\n';
const STATUS_LINE = /^HTTP\/1\.[01] ([2-5]\d{2})/;
/** RFC 9110, 5.5; whole clients say what is wrong with others. */
const FIELD_VALUE = /^[\t\x20-\x7e]*$/;

export type RawAnswer = {
  readonly status: number;
  /** By lower-case name; what came several times is joined (RFC 9110, 5.3). */
  readonly headers: IncomingHttpHeaders;
  /** The next bytes of the body, valid until the call after; undefined at its end. */
  read(): Promise<Uint8Array | undefined>;
  close(): void;
};

/**
 * A GET on a connection of its own, whose body of known length is read without garbage (socket-reader.ts). Undefined when the
 * answer is of another kind, or none of HTTP: whoever asks has a whole client for those. Redirects are answers.
 *
 * Throws node's errors of connections, those of socket-reader.ts, and `ERR_STREAM_PREMATURE_CLOSE` as code for an answer that
 * is not whole.
 */
export async function rawGet(
  url: URL,
  options: {
    headers: Readonly<Record<string, string>>;
    connect: Connect;
    signal: AbortSignal | undefined;
    /** The longest waits for the head, and for the next bytes of the body. */
    headMs: number;
    silenceMs: number;
  },
): Promise<RawAnswer | undefined> {
  const { headMs, silenceMs } = options;
  const fields = Object.entries({ host: url.host, ...options.headers });
  if (!fields.every(([, value]) => FIELD_VALUE.test(value))) return undefined;
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const reader = await openSocketReader(url, options);
  try {
    reader.socket.write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines}connection: close\r\n\r\n`);
    const answer = await readHead(reader, headMs);
    const length = Number(answer?.headers['content-length'] ?? Number.NaN);
    if (answer && Number.isSafeInteger(length) && answer.headers['transfer-encoding'] === undefined) {
      const { status, headers, rest } = answer;
      const read = bodyReader(reader, { rest, length, silenceMs });
      return { status, headers, read, close: () => void reader.socket.destroy() };
    }
  } catch (error) {
    reader.socket.destroy();
    throw error;
  }
  reader.socket.destroy();
  return undefined;
}

type Head = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly rest: Uint8Array };

/** Undefined for what is no head. */
async function readHead(reader: SocketReader, headMs: number): Promise<Head | undefined> {
  for (let seen = Buffer.alloc(0); seen.length <= MAX_HEAD_BYTES; ) {
    const chunk = await reader.read({ ms: headMs, code: 'HEAD_TIMEOUT' });
    if (chunk === undefined) throw endedEarly('before an answer');
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf(HEAD_END);
    if (end === -1) continue;
    const [statusLine = '', ...fields] = seen.toString('latin1', 0, end).split('\r\n');
    const status = Number(STATUS_LINE.exec(statusLine)?.[1] ?? 0);
    return status === 0
      ? undefined
      : { status, headers: parseFields(fields), rest: seen.subarray(end + HEAD_END.length) };
  }
  return undefined;
}

function parseFields(lines: readonly string[]): IncomingHttpHeaders {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers.get(name);
    if (colon > 0) headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return Object.fromEntries(headers);
}

function bodyReader(
  reader: SocketReader,
  { rest, length, silenceMs }: { rest: Uint8Array; length: number; silenceMs: number },
): () => Promise<Uint8Array | undefined> {
  let left = length;
  let first: Uint8Array | undefined = rest;
  return async () => {
    if (left === 0) return undefined;
    const chunk = first?.length ? first : await reader.read({ ms: silenceMs, code: 'BODY_TIMEOUT' });
    first = undefined;
    if (chunk === undefined) throw endedEarly(`${left} bytes too early`);
    const wanted = chunk.subarray(0, left);
    left -= wanted.length;
    if (left === 0) reader.socket.end();
    return wanted;
  };
}

function endedEarly(when: string): Error {
  return Object.assign(new Error(`the connection ended ${when}`), { code: 'ERR_STREAM_PREMATURE_CLOSE' });
}
