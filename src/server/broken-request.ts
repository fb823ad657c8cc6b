import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ApiError, apiError, bodyText, renderError } from '../rpc/index.ts';
import { LINGER_MS } from './rpc-request.ts';

/** Nearly every client puts all parameters into the URL: 100 references, 20 tags, 10 logins and a token need 64 KiB. */
export const MAX_HEADER_BYTES = 128 * 1024;

const NOT_HTTP = apiError('InvalidParameter', { Param: 'request', Reason: 'it is not valid HTTP' });
/** By the code of Node's error. */
const REFUSALS = new Map<string | undefined, ApiError>([
  ['HPE_HEADER_OVERFLOW', apiError('InvalidParameter.LengthExceeded', { Param: 'header', Limit: MAX_HEADER_BYTES })],
  ['HPE_INVALID_METHOD', apiError('UnsupportedHTTPMethod')],
  ['ERR_HTTP_REQUEST_TIMEOUT', apiError('InvalidParameter', { Param: 'request', Reason: 'it did not arrive in time' })],
]);

/** Answers what can't be read as HTTP in the API's error form, where the socket still takes an answer, and closes it. */
export function answerBrokenRequest(cause: NodeJS.ErrnoException, socket: Duplex): void {
  if (socket.writableEnded) return;
  // Without TLS there is nothing to answer on: what came is plain HTTP, or a client that does not trust the certificate.
  const isTls = /^ERR_(SSL|TLS)_/.test(cause.code ?? '');
  if (cause.code === 'ECONNRESET' || isTls || !socket.writable) {
    socket.destroy();
    return;
  }
  const answer = { format: 'JSON', requestId: randomUUID().toUpperCase(), hostId: '' } as const;
  const { status, headers, body } = renderError(REFUSALS.get(cause.code) ?? NOT_HTTP, answer);
  const text = bodyText(body);
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ];
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
