import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RpcHandler } from '../rpc/index.ts';
import type { BodyBudget } from './body-budget.ts';
import { readRpcRequest } from './rpc-request.ts';

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * RPC straight on node:http: the gateway wants the request as it came, whatever its method and content type, and answers
 * everything itself.
 */
export function createRpcRoute(
  rpc: RpcHandler,
  stopping: AbortSignal,
  bounds: { readonly bodies?: BodyBudget; readonly answerMs?: number } = {},
): RequestListener {
  const { bodies, answerMs } = bounds;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const incoming = await readRpcRequest(request, bodies);
    const { status, headers, body } = await rpc(incoming, () => stopping.aborted || response.destroyed);
    const parts = typeof body === 'string' ? [body] : body;
    response.writeHead(status, {
      ...headers,
      'content-length': parts.reduce((sum, part) => sum + Buffer.byteLength(part), 0),
      // What is left of a body that was refused must not be taken for the next request.
      ...(stopping.aborted || incoming.refused ? { connection: 'close' } : {}),
    });
    send(parts, response);
    // Whoever takes a little now and then keeps the connection alive, so its answer has a deadline beside.
    if (answerMs !== undefined && request.socket.writableLength > 0) cutAfter(response, answerMs);
  }

  return (request, response) => {
    // The handler never throws: the caller is gone, or its body broke off.
    answer(request, response).catch(() => response.destroy());
  };
}

function send(parts: readonly (string | Uint8Array)[], response: ServerResponse): void {
  const last = parts.length - 1;
  // What is corked goes out at once, at the end.
  if (last > 0) response.cork();
  for (const [index, part] of parts.entries()) {
    // Text that is ASCII only is written faster as Latin-1; it is the same bytes.
    const encoding = typeof part === 'string' && Buffer.byteLength(part) === part.length ? 'latin1' : 'utf8';
    if (index < last) response.write(part, encoding);
    else response.end(part, encoding);
  }
}

function cutAfter(response: ServerResponse, answerMs: number): void {
  const timer = setTimeout(() => response.destroy(), answerMs).unref();
  response.once('close', () => clearTimeout(timer));
}
