import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';
import { type ApiError, apiError, type RpcRequest } from '../rpc/index.ts';
import { type BodyBudget, FREE_BODY_BYTES } from './body-budget.ts';

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
 * Reads the body first, of any method. One that is too long, or for which there is no memory now, is refused; the rest of it
 * is thrown away for a while, since a connection closed on it would lose the answer. Throws when the caller is gone.
 */
export async function readRpcRequest(request: IncomingMessage, budget?: BodyBudget): Promise<RpcRequest> {
  const withoutBody = toRpcRequest(request);
  const length = withoutBody.headers.get('content-length')?.[0] ?? '0';
  if (length === '0' && !withoutBody.headers.has('transfer-encoding')) return withoutBody;
  const chunks: Uint8Array[] = [];
  let [bytes, taken] = [0, 0];
  let refused: ApiError | undefined;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      const wanted = Math.max(0, bytes - FREE_BODY_BYTES) - taken;
      if (bytes > MAX_BODY_BYTES)
        refused = apiError('InvalidParameter.LengthExceeded', { Param: 'body', Limit: MAX_BODY_BYTES });
      else if (budget?.take(wanted) === false) refused = apiError('ServiceUnavailable');
      if (refused) break;
      taken += wanted;
      chunks.push(chunk);
    }
    if (!refused) return { ...withoutBody, body: Buffer.concat(chunks) };
  } finally {
    budget?.giveBack(taken);
  }
  await linger(request);
  return { ...withoutBody, refused };
}

/** Throws the rest of a body away until it is over, or for LINGER_MS. */
async function linger(request: IncomingMessage): Promise<void> {
  await finished(request.resume(), { signal: AbortSignal.timeout(LINGER_MS) }).catch(() => undefined);
}
