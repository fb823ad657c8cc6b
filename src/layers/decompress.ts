import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import type { Writable } from 'node:stream';
import { crc32, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { describeError, LarderError } from '../lib/errors.ts';

export type Compression = 'gzip' | 'zstd' | 'none';

/** Inflates a stream. Throws `layers.corrupt` for what is not sound to its last byte; ends its work when not read to the end. */
export type Decompressor = (
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
) => AsyncIterable<Uint8Array>;

/** Half as fast again as the default of 16 KiB; larger ones gain nothing. */
const CHUNK_BYTES = 256 * 1024;
/** Beyond this, a message of igzip's is cut. */
const MAX_STDERR_BYTES = 4096;
/** How much output is kept to check the last member's trailer. */
const TAIL_BYTES = 1024 * 1024;
/** A gzip trailer, and the two bytes before it. */
const TRAILER_BYTES = 10;

/** The inflaters of node:zlib; for gzip `igzip` as a child process, if its path is given. */
export function createDecompressor(options: { igzipPath?: string } = {}): Decompressor {
  const { igzipPath } = options;
  return (compression, source, signal) => {
    if (compression === 'none') return source;
    if (compression === 'zstd') return inflate(source, { name: 'zstd', create: createZstd, signal });
    if (igzipPath !== undefined) return inflateByIgzip(source, igzipPath, signal);
    return inflate(source, { name: 'gzip', create: createGzip, signal });
  };
}

/** The path of `igzip` (Debian package isal) in a PATH variable's folders. */
export async function findIgzip(pathEnv: string | undefined): Promise<string | undefined> {
  for (const folder of (pathEnv ?? '').split(delimiter)) {
    if (!isAbsolute(folder)) continue;
    const path = join(folder, 'igzip');
    const isExecutable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isExecutable) return path;
  }
  return undefined;
}

const createGzip = () => createGunzip({ chunkSize: CHUNK_BYTES });
const createZstd = () => createZstdDecompress({ chunkSize: CHUNK_BYTES });

/**
 * One inflater after the other until the source is used up. node:zlib stops at the end of a zstd frame when more follows
 * in the same write, and at zeros after a gzip member, both without a word: what it left over goes to a new inflater,
 * which then says whether it is a further member or garbage.
 */
async function* inflate(
  source: AsyncIterable<Uint8Array>,
  options: { name: string; create: () => Gunzip | ZstdDecompress; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  const input = inputOf(source);
  let offset = 0;
  let rest = await input.next();
  try {
    do {
      const stream = options.create();
      const feeding = feed(stream, rest ?? new Uint8Array(), input);
      try {
        for await (const chunk of stream) yield toBytes(chunk);
        rest = await feeding;
      } catch (error) {
        options.signal?.throwIfAborted();
        if (input.failure) throw input.failure.error;
        throw corruptInput(options.name, offset + stream.bytesWritten, error);
      } finally {
        stream.destroy();
      }
      offset += stream.bytesWritten;
    } while (rest);
  } finally {
    await input.close();
  }
}

/** Writes chunk by chunk until the source ends, or the inflater takes no more: then returns what it left. */
async function feed(stream: Gunzip | ZstdDecompress, first: Uint8Array, input: Input): Promise<Uint8Array | undefined> {
  let fed = 0;
  try {
    for (let chunk: Uint8Array | undefined = first; chunk; chunk = await input.next()) {
      fed += chunk.length;
      await write(stream, chunk);
      const left = fed - stream.bytesWritten;
      if (left > 0) return chunk.subarray(chunk.length - left);
    }
    stream.end();
  } catch (error) {
    // The stream's reader gets it; this promise is looked at only when the stream ended well.
    stream.destroy(error instanceof Error ? error : new Error(String(error)));
  }
  return undefined;
}

function write(stream: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

/** A source whose own failure is told apart from the inflater's. */
type Input = {
  /** The next chunk that isn't empty, or undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  failure: { error: unknown } | undefined;
  close(): Promise<void>;
};

function inputOf(source: AsyncIterable<Uint8Array>): Input {
  const iterator = source[Symbol.asyncIterator]();
  const input: Input = { next, failure: undefined, close };
  async function next(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const { done, value } = await iterator.next();
        if (done) return undefined;
        if (value.length > 0) return value;
      }
    } catch (error) {
      input.failure = { error };
      throw error;
    }
  }
  async function close(): Promise<void> {
    await iterator.return?.();
  }
  return input;
}

/**
 * `igzip` as a child: about a quarter of zlib's CPU time, and on another core than ours. It takes several members,
 * checks their CRCs, and exits with 1 on corrupt and cut input, but ignores garbage after the last member: see
 * {@link OutputTail}.
 */
async function* inflateByIgzip(
  source: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const child = spawn(path, ['-d', '-c'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  const exited = new Promise<{ error: unknown; code: number | null }>((resolve) => {
    child.once('error', (error) => resolve({ error, code: null }));
    child.once('close', (code) => resolve({ error: undefined, code }));
  });
  let stderr = '';
  child.stderr.on('data', (bytes: Buffer) => {
    if (stderr.length < MAX_STDERR_BYTES) stderr += bytes.toString('latin1');
  });

  const input = inputOf(source);
  let fedBytes = 0;
  let trailer = Buffer.alloc(0);
  // igzip leaves before its input ends when that is corrupt; its exit code says so, and EPIPE says no more.
  child.stdin.on('error', () => {});
  const feeding = (async () => {
    for (let chunk = await input.next(); chunk; chunk = await input.next()) {
      fedBytes += chunk.length;
      trailer = Buffer.concat([trailer, chunk.subarray(-TRAILER_BYTES)]).subarray(-TRAILER_BYTES);
      if (!child.stdin.write(chunk)) await Promise.race([once(child.stdin, 'drain'), exited]);
    }
    child.stdin.end();
  })().catch(kill);

  const tail = new OutputTail();
  try {
    for await (const chunk of child.stdout) {
      const bytes = toBytes(chunk);
      tail.push(bytes);
      yield bytes;
    }
    const { error, code } = await exited;
    signal?.throwIfAborted();
    if (input.failure) throw input.failure.error;
    if (error !== undefined)
      throw new LarderError('layers.inflater-failed', `igzip: ${describeError(error)}`, { cause: error });
    if (code !== 0) throw corruptInput('gzip', fedBytes, new Error(stderr.trim() || `igzip ended with ${code}`));
    await feeding;
    if (tail.hasGarbage(trailer)) throw corruptInput('gzip', fedBytes, new Error('garbage after the last member'));
  } finally {
    signal?.removeEventListener('abort', kill);
    kill();
    await input.close();
  }
}

/** The end of the output, to be compared with the last member's trailer: its CRC and its length (RFC 1952). */
class OutputTail {
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  #totalBytes = 0;

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.length;
    this.#totalBytes += bytes.length;
    while (this.#chunkBytes - (this.#chunks[0]?.length ?? 0) >= TAIL_BYTES) {
      this.#chunkBytes -= this.#chunks.shift()?.length ?? 0;
    }
  }

  /**
   * Whether the last bytes of the input can't be the trailer of a member. A last member of several that is longer than
   * the tail kept here passes unchecked: no harm, as the digests of both the input and the output are checked anyway.
   */
  hasGarbage(trailer: Buffer): boolean {
    if (trailer.length < TRAILER_BYTES) return true;
    const length = trailer.readUInt32LE(6);
    // Zeros look like the trailer of an empty member, but no inflater's empty member has zeros before it.
    if (length === 0 && trailer.readUInt16LE(0) === 0) return true;
    if (length === this.#totalBytes % 2 ** 32) return false;
    if (length > this.#totalBytes) return true;
    if (length > this.#chunkBytes) return false;
    const end = length === 0 ? Buffer.alloc(0) : Buffer.concat(this.#chunks).subarray(-length);
    return crc32(end) !== trailer.readUInt32LE(2);
  }
}

function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a stream without an encoding gives bytes');
}

function corruptInput(name: string, offset: number, cause: unknown): LarderError {
  return new LarderError(
    'layers.corrupt',
    `the layer is corrupt, no sound ${name} stream: ${describeError(cause)}, near compressed byte ${offset}`,
    { cause, facts: { stage: name, offset } },
  );
}
