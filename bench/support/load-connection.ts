import { connect } from 'node:net';

export type Exchange = { readonly status: number; readonly bytes: number; body(): string };

export type LoadConnection = {
  /** One at a time. */
  send(request: Uint8Array): Promise<Exchange>;
  close(): void;
};

const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKS_END = Buffer.from('0\r\n\r\n');

/** A kept-alive connection that does no more than it must, so that the generator is never what limits. */
export async function openLoadConnection(port: number): Promise<LoadConnection> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let waiting: { resolve: (exchange: Exchange) => void; reject: (error: Error) => void } | undefined;
  let received = Buffer.alloc(0);

  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const exchange = readExchange(received);
    if (!exchange) return;
    received = Buffer.alloc(0);
    const { resolve } = waiting ?? {};
    waiting = undefined;
    resolve?.(exchange);
  });
  socket.on('error', (error) => waiting?.reject(error));
  socket.on('close', () => waiting?.reject(new Error('the server closed the connection')));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}

/** The answer once it is whole. */
function readExchange(received: Buffer): Exchange | undefined {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd === -1) return undefined;
  const head = received.toString('latin1', 0, headEnd);
  const start = headEnd + HEAD_END.length;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const isWhole =
    length === undefined
      ? received.subarray(-CHUNKS_END.length).equals(CHUNKS_END)
      : received.length >= start + Number(length);
  if (!isWhole) return undefined;
  return { status: Number(head.slice(9, 12)), bytes: received.length, body: () => received.toString('utf8', start) };
}
