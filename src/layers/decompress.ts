import type { Writable } from 'node:stream';
import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { inflateByIgzip } from './igzip.ts';
import { corruptInput, type Input, inputOf } from './inflater-input.ts';

export type Compression = 'gzip' | 'zstd' | 'none';

/**
 * Inflates a stream. A chunk is valid until the next one is asked for: its memory may be used again. Throws `layers.corrupt`
 * for what is not sound to its last byte; ends its work when not read to the end.
 */
export type Decompressor = (
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
) => AsyncIterable<Uint8Array>;

/** Half as fast again as the default of 16 KiB; larger ones gain nothing. */
const CHUNK_BYTES = 256 * 1024;

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

function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a stream without an encoding gives bytes');
}
