import { once } from 'node:events';
import { connect as connectTcp, isIP, type LookupFunction, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** One read takes at most this much; what the kernel holds for a connection on one machine is more. */
const READ_BYTES = 256 << 10;
/** One is with the reader, one is what the next read goes into; so many less two lie ready. */
const SLOTS = 4;

/** How to connect: `timeoutMs` is for TCP and TLS together. */
export type Connect = {
  readonly tls: ConnectionOptions;
  readonly timeoutMs: number;
  readonly lookup?: LookupFunction;
};

/** `code` is that of the error when the time is over. */
type Wait = { readonly ms: number; readonly code: 'HEAD_TIMEOUT' | 'BODY_TIMEOUT' };

export type SocketReader = {
  readonly socket: Socket;
  /** The next bytes, valid until the call after; undefined at the end. Throws why the connection broke, or the wait's code. */
  read(wait: Wait): Promise<Uint8Array | undefined>;
};

/**
 * Connects, and reads into one piece of memory again and again. The streams of Node.js make a new buffer of 64 KiB for every
 * read; collecting 1.5 GB of them took a node's agent 3 of its 8 seconds of CPU time (bench/start.ts), and a build 35 MiB of
 * memory (bench/build.ts). Throws node's errors, and one with code `CONNECT_TIMEOUT`.
 */
export async function openSocketReader(
  url: URL,
  options: { connect: Connect; signal: AbortSignal | undefined },
): Promise<SocketReader> {
  const { connect, signal } = options;
  signal?.throwIfAborted();
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
  const { socket, connected } = open(url, { onread, connect });
  const finish = (error?: Error) => {
    end ??= { error };
    wake?.();
  };
  // Read throws the reason.
  const abort = () => finish();
  signal?.addEventListener('abort', abort, { once: true });
  socket.on('error', finish);
  socket.once('end', () => finish());
  socket.once('close', () => {
    signal?.removeEventListener('abort', abort);
    finish();
  });

  async function read({ ms, code }: Wait): Promise<Uint8Array | undefined> {
    if (ready.length === 0 && end === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = setTimeout(() => finish(timeOut(url, code)), ms);
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

  const timer = setTimeout(() => socket.destroy(timeOut(url, 'CONNECT_TIMEOUT')), connect.timeoutMs);
  try {
    await once(socket, connected, { ...(signal && { signal }) });
  } catch (error) {
    socket.destroy();
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return { socket, read };
}

function open(
  url: URL,
  { onread, connect }: { onread: OnReadOpts; connect: Connect },
): { socket: Socket; connected: 'connect' | 'secureConnect' } {
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port || (isTls ? 443 : 80));
  const lookup = connect.lookup ? { lookup: connect.lookup } : {};
  if (!isTls) return { socket: connectTcp({ host, port, onread, ...lookup }), connected: 'connect' };
  const servername = isIP(host) === 0 ? { servername: host } : {};
  // Of TLS sockets too, though the types don't have it.
  const reads: object = { onread };
  const socket = connectTls({
    host,
    port,
    ALPNProtocols: ['http/1.1'],
    ...servername,
    ...connect.tls,
    ...lookup,
    ...reads,
  });
  return { socket, connected: 'secureConnect' };
}

function timeOut(url: URL, code: Wait['code'] | 'CONNECT_TIMEOUT'): Error {
  return Object.assign(new Error(`${url.host} says nothing`), { code });
}
