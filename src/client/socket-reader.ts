import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** One read takes at most this much; what the kernel holds for a connection on one machine is more. */
const READ_BYTES = 256 << 10;
/** One is with the reader, one is what the next read goes into; so many less two lie ready. */
const SLOTS = 4;

export type SocketReader = {
  readonly socket: Socket;
  /** The next bytes, valid until the call after; undefined at the end. Throws why the connection broke, or `SILENCE_TIMEOUT`. */
  read(silenceMs: number): Promise<Uint8Array | undefined>;
};

/**
 * Connects, and reads into one piece of memory again and again. The streams of Node.js make a new buffer of 64 KiB for every
 * read; collecting 1.5 GB of them took a node's agent 3 of its 8 seconds of CPU time (bench/start.ts).
 */
export function openSocketReader(
  url: URL,
  options: { tls: ConnectionOptions; signal: AbortSignal | undefined },
): SocketReader {
  const { tls, signal } = options;
  const memory = Buffer.allocUnsafeSlow(SLOTS * READ_BYTES);
  const ready: Uint8Array[] = [];
  let slot = 0;
  let end: { error: Error | undefined } | undefined;
  let wake: (() => void) | undefined;

  const slotMemory = () => memory.subarray(slot * READ_BYTES, (slot + 1) * READ_BYTES);
  const isFull = () => ready.length >= SLOTS - 2;
  const onread: OnReadOpts = {
    buffer: slotMemory,
    callback(bytes) {
      ready.push(slotMemory().subarray(0, bytes));
      slot = (slot + 1) % SLOTS;
      wake?.();
      return !isFull();
    },
  };
  const socket = open(url, { onread, tls });
  const finish = (error?: Error) => {
    end ??= { error };
    wake?.();
  };
  // Read throws the reason.
  const abort = () => finish();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  socket.on('error', finish);
  socket.once('end', () => finish());
  socket.once('close', () => {
    signal?.removeEventListener('abort', abort);
    finish();
  });

  async function read(silenceMs: number): Promise<Uint8Array | undefined> {
    if (ready.length === 0 && end === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(() => finish(silence(url)), silenceMs);
      await promise;
      clearTimeout(timer);
      wake = undefined;
    }
    signal?.throwIfAborted();
    const wasFull = isFull();
    const chunk = ready.shift();
    if (chunk === undefined && end?.error !== undefined) throw end.error;
    if (wasFull) socket.resume();
    return chunk;
  }

  return { socket, read };
}

function open(url: URL, { onread, tls }: { onread: OnReadOpts; tls: ConnectionOptions }): Socket {
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port || (isTls ? 443 : 80));
  if (!isTls) return connectTcp({ host, port, onread });
  const servername = isIP(host) === 0 ? { servername: host } : {};
  // Of TLS sockets too, though the types don't have it.
  const reads: object = { onread };
  return connectTls({ host, port, ALPNProtocols: ['http/1.1'], ...servername, ...tls, ...reads });
}

function silence(url: URL): Error {
  return Object.assign(new Error(`${url.host} says nothing`), { code: 'SILENCE_TIMEOUT' });
}
