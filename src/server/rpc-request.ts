import type { IncomingMessage } from 'node:http';
import { apiError, type RpcRequest } from '../rpc/index.ts';

/** CreateImageCache at all its limits takes about 1 MiB. */
export const MAX_BODY_BYTES = 4 * 1024 * 1024;
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
  return { method, ...splitTarget(request), headers, body: NO_BODY, peer: socket.remoteAddress ?? '', secure: false };
}

/** Reads the body first, of any method; one that is too long is refused, and the rest of it is left unread. Throws when the caller is gone. */
export async function readRpcRequest(request: IncomingMessage): Promise<RpcRequest> {
  const withoutBody = toRpcRequest(request);
  const length = withoutBody.headers.get('content-length')?.[0] ?? '0';
  if (length === '0' && !withoutBody.headers.has('transfer-encoding')) return withoutBody;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      const refused = apiError('InvalidParameter.LengthExceeded', { Param: 'body', Limit: MAX_BODY_BYTES });
      return { ...withoutBody, refused };
    }
    chunks.push(chunk);
  }
  return { ...withoutBody, body: Buffer.concat(chunks) };
}
