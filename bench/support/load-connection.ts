import { connect } from 'node:net';

/** `body` is there until the next request of the connection. */
export type Exchange = { readonly status: number; readonly bytes: number; body(): string };

export type LoadConnection = {
  /** One at a time. */
  send(request: Uint8Array): Promise<Exchange>;
  close(): void;
};

const HEAD_END = Buffer.from('\r\n\r\n');
const CHUNKS_END = Buffer.from('0\r\n\r\n');
const READ_BYTES = 64 << 10;
const ANSWER_BYTES = 256 << 10;

/**
 * A kept-alive connection that does no more than it must, so that the generator is never what limits. Answers go into memory
 * that is used again: a buffer for each made garbage of a gigabyte a second, and pauses of this process were taken for the server's.
 */
export async function openLoadConnection(port: number): Promise<LoadConnection> {
  let waiting: { resolve: (exchange: Exchange) => void; reject: (error: Error) => void } | undefined;
  let answer = Buffer.alloc(ANSWER_BYTES);
  let received = 0;

  function take(bytes: number, chunk: Uint8Array): boolean {
    if (received + bytes > answer.length) answer = Buffer.concat([answer], 2 * (received + bytes));
    answer.set(chunk.subarray(0, bytes), received);
    received += bytes;
    const exchange = readExchange(answer, received);
    if (!exchange) return true;
    received = 0;
    const { resolve } = waiting ?? {};
    waiting = undefined;
    resolve?.(exchange);
    return true;
  }

  const onread = { buffer: Buffer.alloc(READ_BYTES), callback: take };
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, onread });
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

/** The answer once it is whole: the first `received` bytes of `answer`. */
function readExchange(answer: Buffer, received: number): Exchange | undefined {
  const headEnd = answer.indexOf(HEAD_END);
  const start = headEnd + HEAD_END.length;
  if (headEnd === -1 || start > received) return undefined;
  const head = answer.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const isWhole =
    length === undefined
      ? answer.subarray(received - CHUNKS_END.length, received).equals(CHUNKS_END)
      : received >= start + Number(length);
  if (!isWhole) return undefined;
  return { status: Number(head.slice(9, 12)), bytes: received, body: () => answer.toString('utf8', start, received) };
}
