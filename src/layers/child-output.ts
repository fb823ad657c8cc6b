import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the reader has not taken yet; beyond it the child has to wait. */
const MAX_AHEAD_BYTES = 1 << 20;
/** One read takes at most this much, which is more than the kernel holds for a socket. */
const READ_BYTES = 256 << 10;

/**
 * Starts a command whose standard output is read into one piece of memory, again and again. An ordinary pipe of Node's
 * makes a new buffer of 64 KiB for every read; at a gigabyte that is 16,000 of them, and collecting them cost a third of the
 * CPU time of a build (bench/build.ts).
 *
 * A chunk of the output is valid until `keepBytes` more bytes were taken.
 */
export async function spawnIntoRing(
  command: string,
  args: readonly string[],
  { keepBytes }: { keepBytes: number },
): Promise<{ child: ChildProcess; output: AsyncGenerator<Uint8Array, void, void> }> {
  const ring = new Ring(keepBytes + MAX_AHEAD_BYTES + 3 * READ_BYTES);
  const { ours, theirs } = await socketPair(ring);
  const child = spawn(command, args, { stdio: ['pipe', theirs, 'pipe'] });
  // The child has its own; ours would keep the stream open.
  theirs.destroy();
  return { child, output: ring.read(ours) };
}

/** Memory that reads go into one behind the other, and around. */
class Ring {
  readonly #memory: Buffer;
  #position = 0;
  #chunks: Uint8Array[] = [];
  #aheadBytes = 0;
  #wake: (() => void) | undefined;

  constructor(bytes: number) {
    this.#memory = Buffer.allocUnsafeSlow(bytes);
  }

  /** Where the next read goes. */
  next(): Buffer {
    if (this.#memory.length - this.#position < READ_BYTES) this.#position = 0;
    return this.#memory.subarray(this.#position, this.#position + READ_BYTES);
  }

  /** The last read gave so many bytes; false when that is enough for now. */
  filled(bytes: number): boolean {
    this.#chunks.push(this.#memory.subarray(this.#position, this.#position + bytes));
    this.#position += bytes;
    this.#aheadBytes += bytes;
    this.#wake?.();
    return this.#aheadBytes < MAX_AHEAD_BYTES;
  }

  async *read(socket: Socket): AsyncGenerator<Uint8Array, void, void> {
    let isOver = false;
    const end = () => {
      isOver = true;
      this.#wake?.();
    };
    socket.once('end', end).once('close', end);
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk) {
          const wasFull = this.#aheadBytes >= MAX_AHEAD_BYTES;
          this.#aheadBytes -= chunk.length;
          if (wasFull && this.#aheadBytes < MAX_AHEAD_BYTES) socket.resume();
          yield chunk;
        } else if (isOver) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = undefined;
        }
      }
    } finally {
      socket.destroy();
    }
  }
}

/** Two ends of a connection; what comes to `ours` goes into the ring. */
async function socketPair(ring: Ring): Promise<{ ours: Socket; theirs: Socket }> {
  // A folder of our own (mode 0700): nobody else can connect.
  const folder = await mkdtemp(join(tmpdir(), 'larder-pipe-'));
  const server = createServer({ pauseOnConnect: true });
  try {
    const path = join(folder, 's');
    server.listen(path);
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    const ours = connect({
      path,
      onread: { buffer: () => ring.next(), callback: (bytes) => ring.filled(bytes) },
    });
    // Its end and its errors are seen by whoever reads; before that, connecting is what fails.
    const [theirs] = await Promise.race([accepted, failed(ours)]);
    ours.on('error', () => {});
    return { ours, theirs };
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function failed(socket: Socket): Promise<never> {
  const [error] = await once(socket, 'error');
  throw error;
}
