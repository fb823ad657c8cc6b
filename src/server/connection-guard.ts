import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { addressGroup } from './failure-back-off.ts';
import type { Limits } from './limit-table.ts';

/** How often connections are looked through for those whose request takes too long. */
const CONNECTION_CHECK_MS = 2_000;

export type ConnectionLimits = Pick<Limits, 'maxConnections' | 'maxConnectionsPerAddress' | 'requestMs' | 'answerMs'>;

/** Options of a node server for callers that are slow to send: head and body together have `requestMs`. */
export function requestTimeouts({ requestMs }: ConnectionLimits) {
  return {
    headersTimeout: requestMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: Math.min(CONNECTION_CHECK_MS, requestMs),
  };
}

/**
 * Bounds the connections of a server, in all and of one address, and cuts those on which nothing moves for `answerMs`: a
 * caller that does not read its answer, or a stream. What is over a bound is closed without a word, which costs us least.
 */
export function guardConnections(server: Server, limits: ConnectionLimits): void {
  const { maxConnections, maxConnectionsPerAddress, answerMs } = limits;
  if (maxConnections > 0) server.maxConnections = maxConnections;
  server.setTimeout(answerMs);
  if (maxConnectionsPerAddress === 0) return;
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    // Undefined: it is gone already.
    const address = addressGroup(socket.remoteAddress ?? '');
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left > 0) open.set(address, left);
      else open.delete(address);
    });
    if (count > maxConnectionsPerAddress) socket.destroy();
  });
}
