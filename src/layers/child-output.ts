import { type ChildProcess, spawn } from 'node:child_process';
import { close } from 'node:fs';
import { Socket } from 'node:net';
import { makePipe } from '../lib/pipe.ts';
import { standBack } from '../lib/priority.ts';
import type { SharedRing } from './shared-ring.ts';

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
 * A chunk of the output is valid as long as the ring keeps it, less MAX_AHEAD_BYTES and three reads.
 */
export async function spawnIntoRing(command: string, args: readonly string[], ring: SharedRing): Promise<RingChild> {
  const input = await makePipe(PIPE_BYTES);
  const output = await makePipe(PIPE_BYTES).catch((error: unknown) => {
    close(input.readEnd);
    close(input.writeEnd);
    throw error;
  });
  const reads = new Reads(ring);
  const stdin = new Socket({ fd: input.writeEnd, readable: false, writable: true });
  const stdout = new Socket({
    fd: output.readEnd,
    readable: true,
    writable: false,
    onread: { buffer: () => reads.next(), callback: (bytes) => reads.filled(bytes) },
  });
  // Whoever reads sees its end, and whoever writes its exit.
  stdin.on('error', () => {});
  stdout.on('error', () => {}).resume();
  try {
    const child = spawn(command, args, { stdio: [input.readEnd, output.writeEnd, 'pipe'] });
    if (child.pid !== undefined) standBack(child.pid);
    return { child, stdin, output: reads.read(stdout) };
  } finally {
    // The child has its own; ours would keep the stream open.
    close(input.readEnd);
    close(output.writeEnd);
  }
}

/** Reads that go into one piece of memory, and wait there to be taken. */
class Reads {
  readonly #ring: SharedRing;
  #chunks: Uint8Array[] = [];
  #aheadBytes = 0;
  #wake: (() => void) | undefined;

  constructor(ring: SharedRing) {
    this.#ring = ring;
  }

  /** Where the next read goes. */
  next(): Buffer {
    return this.#ring.room(READ_BYTES);
  }

  /** The last read gave so many bytes; false when that is enough for now. */
  filled(bytes: number): boolean {
    this.#chunks.push(this.#ring.keep(bytes));
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
