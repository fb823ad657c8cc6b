import type { FastifyRequest } from 'fastify';
import type { RpcRequest } from '../rpc/index.ts';

/** A request as it came over the wire, nothing parsed: the signature covers the text. */
export function toRpcRequest(request: FastifyRequest): RpcRequest {
  const { raw } = request;
  const [path = '/', ...query] = (raw.url ?? '/').split('?');
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < raw.rawHeaders.length; index += 2) {
    const name = (raw.rawHeaders[index] ?? '').toLowerCase();
    const values = headers.get(name);
    const value = raw.rawHeaders[index + 1] ?? '';
    if (values) values.push(value);
    else headers.set(name, [value]);
  }
  return {
    method: raw.method ?? 'GET',
    path,
    rawQuery: query.join('?'),
    headers,
    body: request.body instanceof Uint8Array ? request.body : new Uint8Array(),
    peer: request.ip,
    secure: false,
  };
}
