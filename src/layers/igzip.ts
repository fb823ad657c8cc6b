import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describeError, LarderError } from '../lib/errors.ts';
import { spawnIntoRing } from './child-output.ts';
import { CHUNK_VALID_BYTES, type InflateOptions } from './decompressor.ts';
import { corruptInput, inputOf, writeTo } from './inflater-input.ts';

/** Beyond this, a message of igzip's is cut. */
const MAX_STDERR_BYTES = 4096;
/** How much output is kept to check the last member's trailer. */
const TAIL_BYTES = CHUNK_VALID_BYTES;
/** A gzip trailer, and the two bytes before it. */
const TRAILER_BYTES = 10;

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

/**
 * `igzip` as a child: about a quarter of zlib's CPU time, and on another core than ours. It takes several members,
 * checks their CRCs, and exits with 1 on corrupt and cut input, but ignores garbage after the last member: see
 * {@link OutputTail}.
 */
export async function* inflateByIgzip(
  source: AsyncIterable<Uint8Array>,
  path: string,
  { signal, ring }: InflateOptions,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const { child, stdin, output } = await spawnIntoRing(path, ['-d', '-c'], ring());
  const kill = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  const exited = new Promise<{ error: unknown; code: number | null }>((resolve) => {
    child.once('error', (error) => resolve({ error, code: null }));
    child.once('close', (code) => resolve({ error: undefined, code }));
  });
  let stderr = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    if (stderr.length < MAX_STDERR_BYTES) stderr += bytes.toString('latin1');
  });

  const input = inputOf(source);
  let fedBytes = 0;
  let trailer = Buffer.alloc(0);
  // igzip leaves before its input ends when that is corrupt; its exit code says so, and EPIPE says no more.
  const feeding = (async () => {
    for (let chunk = await input.next(); chunk; chunk = await input.next()) {
      fedBytes += chunk.length;
      trailer = Buffer.concat([trailer, chunk.subarray(-TRAILER_BYTES)]).subarray(-TRAILER_BYTES);
      await writeTo(stdin, chunk);
    }
    stdin.end();
  })().catch(kill);

  const tail = new OutputTail();
  try {
    for await (const bytes of output) {
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
    stdin.destroy();
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
    // Older chunks are overwritten.
    while (this.#chunkBytes > TAIL_BYTES) this.#chunkBytes -= this.#chunks.shift()?.length ?? 0;
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
