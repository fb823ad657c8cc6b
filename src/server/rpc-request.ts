import type { IncomingMessage } from 'node:http';
import { apiError, type RpcRequest } from '../rpc/index.ts';

/** CreateImageCache at all its limits takes about 1 MiB. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** How long the rest of a body that is too long is waited for. */
export const LINGER_MS = 1_000;
const NO_BODY = new Uint8Array();
/** A target with scheme and host, as for a proxy; every server must take it too (RFC 9112, 3.2.2). */
const ORIGIN = /^https?:\/\/[^/?#]*/i;

/** Path and query of a request, both as they came. */
export function splitTarget(request: IncomingMessage): { path: string; rawQuery: string } {
  const url = request.url ?? '/';
  const target = url.startsWith('/') ? url : url.replace(ORIGIN, '');
  const mark = target.indexOf('?');
  if (mark === -1) return { path: target || '/', rawQuery: '' };
  return { path: target.slice(0, mark) || '/', rawQuery: target.slice(mark + 1) };
}

/** A request without its body as it came over the wire, nothing parsed: the signature covers the text. */
export function toRpcRequest(request: IncomingMessage): RpcRequest {
  const { method = '', rawHeaders, socket } = request;
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').toLowerCase();
    const value = rawHeaders[index + 1] ?? '';
    const values = headers.get(name);
    if (values) values.push(value);
    else headers.set(name, [value]);
  }
  const secure = 'encrypted' in socket;
  return { method, ...splitTarget(request), headers, body: NO_BODY, peer: socket.remoteAddress ?? '', secure };
}

/**
 * Reads the body first, of any method. One that is too long is refused; the rest of it is thrown away for a while, since a
 * connection closed on it would lose the answer. Throws when the caller is gone.
 */
export async function readRpcRequest(request: IncomingMessage): Promise<RpcRequest> {
  const withoutBody = toRpcRequest(request);
  const length = withoutBody.headers.get('content-length')?.[0] ?? '0';
  if (length === '0' && !withoutBody.headers.has('transfer-encoding')) return withoutBody;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let deadlineMs = Number.POSITIVE_INFINITY;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) {
      chunks.push(chunk);
      continue;
    }
    deadlineMs = Math.min(deadlineMs, performance.now() + LINGER_MS);
    if (performance.now() > deadlineMs) break;
  }
  if (bytes <= MAX_BODY_BYTES) return { ...withoutBody, body: Buffer.concat(chunks) };
  return {
    ...withoutBody,
    refused: apiError('InvalidParameter.LengthExceeded', { Param: 'body', Limit: MAX_BODY_BYTES }),
  };
}
