import { Worker } from 'node:worker_threads';
import { HASH_BEHIND_BYTES, type Hashing, hashHere, MEMORY_BYTES, type StreamHash } from './hashing.ts';

/** What is kept of the memory for the next layer. */
const MAX_IDLE = 4;
/** Megabytes of V8's heap, of which the thread needs hardly any. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 1 };

/** `bytes` in shared memory are read where they lie, others are copied. Without a stream they are a piece of their own. */
export type HashRequest = { readonly id: number; readonly bytes: Uint8Array; readonly stream?: StreamPart };
type StreamPart = { readonly id: number; readonly end?: 'digest' | 'closed' };
export type HashAnswer = { readonly id: number; readonly digest: Digest };
type Digest = string | Uint8Array | undefined;
const NOTHING = new Uint8Array();

/**
 * Hashing on one thread beside the caller's, for all of the process. A build hashes each byte of a tar twice, which is a third
 * of its work. `webcrypto` hashes on other threads, too, but takes no streams, and copying a piece for it costs as much as
 * hashing it (by CPU profiles of a build). The thread starts with the first bytes that are in shared memory; hashing others
 * here costs less than copying them. `allocate` makes shared memory.
 */
export function createHashThread(allocate: (bytes: number) => Buffer<SharedArrayBuffer>): Hashing {
  const idle: Buffer[] = [];
  let current: Thread | undefined;
  let lastStream = 0;

  /** Streams end with their thread; the next gets a new one. */
  function thread(): Thread {
    if (!current || current.isOver) current = new Thread();
    return current;
  }

  return {
    takeMemory: () => idle.pop() ?? allocate(MEMORY_BYTES),
    giveMemory(memory) {
      if (idle.length < MAX_IDLE) idle.push(memory);
    },
    async digestPiece(bytes) {
      if (!isShared(bytes)) return hashHere.digestPiece(bytes);
      const digest = await thread().ask(bytes);
      if (digest instanceof Uint8Array) return digest;
      throw new TypeError('a piece has a digest');
    },
    stream() {
      let chosen: StreamHash | undefined;
      return {
        update(bytes) {
          chosen ??= isShared(bytes) ? streamOn(thread(), ++lastStream) : hashHere.stream();
          return chosen.update(bytes);
        },
        digest: () => (chosen ?? hashHere.stream()).digest(),
        close: async () => chosen?.close(),
      };
    },
  };
}

function isShared(bytes: Uint8Array): boolean {
  return bytes.buffer instanceof SharedArrayBuffer;
}

/** The running thread, and who waits for it. It keeps no process alive unless somebody does. */
class Thread {
  readonly #worker = new Worker(new URL('./hash-worker.ts', import.meta.url), {
    resourceLimits: RESOURCE_LIMITS,
    execArgv: [],
  });
  readonly #waiting = new Map<number, PromiseWithResolvers<Digest>>();
  #lastId = 0;
  isOver = false;

  constructor() {
    this.#worker.on('message', ({ id, digest }: HashAnswer) => {
      this.#waiting.get(id)?.resolve(digest);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#worker.unref();
    });
    const fail = (error: unknown) => {
      this.isOver = true;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.#worker.on('error', fail).on('exit', () => fail(new Error('the thread that hashes has ended')));
  }

  async ask(bytes: Uint8Array, stream?: StreamPart): Promise<Digest> {
    if (this.isOver) throw new Error('the thread that hashes has ended');
    const answer = Promise.withResolvers<Digest>();
    const id = ++this.#lastId;
    this.#waiting.set(id, answer);
    this.#worker.ref();
    this.#worker.postMessage({ id, bytes, ...(stream && { stream }) } satisfies HashRequest);
    return answer.promise;
  }
}

function streamOn(thread: Thread, id: number): StreamHash {
  /** Oldest first. */
  const underWay: { readonly bytes: number; readonly answer: Promise<Digest> }[] = [];
  let behindBytes = 0;
  let isOver = false;
  return {
    async update(bytes) {
      const answer = thread.ask(bytes, { id });
      // Whoever waits for it sees the failure.
      answer.catch(() => undefined);
      underWay.push({ bytes: bytes.length, answer });
      behindBytes += bytes.length;
      while (behindBytes > HASH_BEHIND_BYTES) {
        const oldest = underWay.shift();
        await oldest?.answer;
        behindBytes -= oldest?.bytes ?? 0;
      }
    },
    async digest() {
      isOver = true;
      const digest = await thread.ask(NOTHING, { id, end: 'digest' });
      if (typeof digest === 'string') return digest;
      throw new TypeError('a stream has a digest');
    },
    async close() {
      if (isOver) return;
      isOver = true;
      // Requests are answered in their order: what came before this one is read no more.
      await thread.ask(NOTHING, { id, end: 'closed' }).catch(() => undefined);
    },
  };
}
