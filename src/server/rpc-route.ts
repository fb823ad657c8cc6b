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
    const bytes = Buffer.byteLength(body);
    response.writeHead(status, {
      ...headers,
      'content-length': bytes,
      // What is left of a body that was refused must not be taken for the next request.
      ...(stopping.aborted || incoming.refused ? { connection: 'close' } : {}),
    });
    // Text that is ASCII only is written faster as Latin-1; it is the same bytes.
    response.end(body, bytes === body.length ? 'latin1' : 'utf8');
    // Whoever takes a little now and then keeps the connection alive, so its answer has a deadline beside.
    if (answerMs !== undefined && request.socket.writableLength > 0) cutAfter(response, answerMs);
  }

  return (request, response) => {
    // The handler never throws: the caller is gone, or its body broke off.
    answer(request, response).catch(() => response.destroy());
  };
}

function cutAfter(response: ServerResponse, answerMs: number): void {
  const timer = setTimeout(() => response.destroy(), answerMs).unref();
  response.once('close', () => clearTimeout(timer));
}
