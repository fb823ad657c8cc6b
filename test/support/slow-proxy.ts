import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export type SlowProxy = {
  /** `127.0.0.1:PORT`. */
  host: string;
  /** Bytes that came back from the server so far. */
  bytes(): number;
  /** Bytes per second and connection from now on; Infinity lets everything through. */
  setRate(bytesPerSecond: number): void;
  [Symbol.asyncDispose](): Promise<void>;
};

const SLICE_BYTES = 16 << 10;
/** What this program was late by is caught up, up to so much: a line sends on while others use the processors. */
const MAX_LATE_MS = 100;

/** A TCP proxy in front of a server on this machine that lets its answers through slowly. */
export async function startSlowProxy(
  target: string,
  bytesPerSecond: number,
  /** `shared`: the rate is that of all connections together. */
  { shared = false }: { shared?: boolean } = {},
): Promise<SlowProxy> {
  const port = Number(target.slice(target.lastIndexOf(':') + 1));
  const sockets = new Set<Socket>();
  const stopped = new AbortController();
  let rate = bytesPerSecond;
  let total = 0;
  let freeAtMs = 0;

  /** When the line has sent so many bytes more; slices of several connections take turns. */
  function untilSent(bytes: number): number {
    const ms = (bytes / rate) * 1000;
    if (!shared) return ms;
    freeAtMs = Math.max(freeAtMs, performance.now() - MAX_LATE_MS) + ms;
    return Math.max(0, freeAtMs - performance.now());
  }

  function throttle(): Transform {
    return new Transform({
      async transform(chunk: Buffer, _encoding, callback) {
        try {
          for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
            const slice = chunk.subarray(at, at + SLICE_BYTES);
            if (rate !== Infinity) await sleep(untilSent(slice.length), undefined, { signal: stopped.signal });
            total += slice.length;
            this.push(slice);
          }
          callback();
        } catch (error) {
          callback(error instanceof Error ? error : new Error(String(error)));
        }
      },
    });
  }

  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    }
    // Either side may cut the connection at any time: that is what these tests are about.
    // Not a pipeline this way: it would cut what is still on its way when the server has sent all and closed.
    client.pipe(upstream);
    client.once('close', () => upstream.destroy());
    pipeline(upstream, throttle(), client).catch(() => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no TCP address');
  return {
    host: `127.0.0.1:${address.port}`,
    bytes: () => total,
    setRate(value) {
      rate = value;
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
