import { type ChildProcess, spawn } from 'node:child_process';
import { close } from 'node:fs';
import { Socket } from 'node:net';
import { makePipe } from '../lib/pipe.ts';
import { standBack } from '../lib/priority.ts';

/** What the child has written, or not read yet, while this process does something else. */
const PIPE_BYTES = 1 << 20;
/** What the reader has not taken yet; beyond it the child has to wait. */
const MAX_AHEAD_BYTES = 1 << 20;
/** One read takes at most this much. */
const READ_BYTES = 512 << 10;

export type RingChild = {
  readonly child: ChildProcess;
  readonly stdin: Socket;
  readonly output: AsyncGenerator<Uint8Array, void, void>;
};

/**
 * Starts a command whose standard output is read into one piece of memory, again and again. An ordinary pipe of Node's
 * makes a new buffer of 64 KiB for every read; at a gigabyte that is 16,000 of them, and collecting them cost a third of the
 * CPU time of a build (bench/build.ts). Large pipes at both ends let the child work while this thread does: on a tmpfs, where
 * the disk counts for nothing, a build of 1.3 GB took a tenth less time.
 *
 * A chunk of the output is valid until `keepBytes` more bytes were taken. Its memory can be given to other threads.
 */
export async function spawnIntoRing(
  command: string,
  args: readonly string[],
  { keepBytes }: { keepBytes: number },
): Promise<RingChild> {
  const input = await makePipe(PIPE_BYTES);
  const output = await makePipe(PIPE_BYTES).catch((error: unknown) => {
    close(input.readEnd);
    close(input.writeEnd);
    throw error;
  });
  const ring = new Ring(keepBytes + MAX_AHEAD_BYTES + 3 * READ_BYTES);
  const stdin = new Socket({ fd: input.writeEnd, readable: false, writable: true });
  const stdout = new Socket({
    fd: output.readEnd,
    readable: true,
    writable: false,
    onread: { buffer: () => ring.next(), callback: (bytes) => ring.filled(bytes) },
  });
  // Whoever reads sees its end, and whoever writes its exit.
  stdin.on('error', () => {});
  stdout.on('error', () => {}).resume();
  try {
    const child = spawn(command, args, { stdio: [input.readEnd, output.writeEnd, 'pipe'] });
    if (child.pid !== undefined) standBack(child.pid);
    return { child, stdin, output: ring.read(stdout) };
  } finally {
    // The child has its own; ours would keep the stream open.
    close(input.readEnd);
    close(output.writeEnd);
  }
}

/** Memory that reads go into one behind the other, and around. */
class Ring {
  readonly #memory: Buffer<SharedArrayBuffer>;
  #position = 0;
  #chunks: Uint8Array[] = [];
  #aheadBytes = 0;
  #wake: (() => void) | undefined;

  constructor(bytes: number) {
    this.#memory = Buffer.from(new SharedArrayBuffer(bytes));
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
