import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { errorCode, LarderError } from '../lib/errors.ts';
import type { Decompressor } from './decompressor.ts';
import { inflateByIgzip } from './igzip.ts';
import { corruptInput, type Input, inputOf, writeTo } from './inflater-input.ts';
import { DEFAULT_LAYER_LIMITS, enforce, type LayerLimits } from './limits.ts';

/** Half as fast again as the default of 16 KiB; larger ones gain nothing. */
const CHUNK_BYTES = 256 * 1024;
/** After a frame that gave less than one of the above: most likely one of many, and a smaller buffer is made faster. */
const SMALL_CHUNK_BYTES = 16 * 1024;
/** A window above the limit; one that has to be told from corrupt input. */
const WINDOW_TOO_LARGE = 'ZSTD_error_frameParameter_windowTooLarge';

/** The inflaters of node:zlib; for gzip `igzip` as a child process, if its path is given. */
export function createDecompressor(options: { igzipPath?: string; limits?: Partial<LayerLimits> } = {}): Decompressor {
  const { igzipPath } = options;
  const limits = { ...DEFAULT_LAYER_LIMITS, ...options.limits };
  return (compression, source, asked) => {
    const { signal } = asked;
    if (compression === 'none') return source;
    if (compression === 'zstd') return inflate(source, { name: 'zstd', create: zstdOf(limits), limits, signal });
    if (igzipPath !== undefined) return inflateByIgzip(source, igzipPath, asked);
    return inflate(source, { name: 'gzip', create: createGzip, limits, signal });
  };
}

type CreateInflater = (chunkSize: number) => Gunzip | ZstdDecompress;
const createGzip: CreateInflater = (chunkSize) => createGunzip({ chunkSize });

function zstdOf({ maxWindowBytes }: LayerLimits): CreateInflater {
  const params = { [constants.ZSTD_d_windowLogMax]: Math.max(10, Math.floor(Math.log2(maxWindowBytes))) };
  return (chunkSize) => createZstdDecompress({ chunkSize, params });
}

/**
 * One inflater after the other until the source is used up. node:zlib stops at the end of a zstd frame when more follows
 * in the same write, and at zeros after a gzip member, both without a word: what it left over goes to a new inflater,
 * which then says whether it is a further member or garbage.
 *
 * What they give is hashed on the caller's thread: copying it to where the other one could made a layer of 2 GiB no faster on
 * two cores.
 */
async function* inflate(
  source: AsyncIterable<Uint8Array>,
  options: { name: string; create: CreateInflater; limits: LayerLimits; signal: AbortSignal | undefined },
): AsyncGenerator<Uint8Array> {
  const input = inputOf(source);
  let offset = 0;
  let frames = 0;
  let chunkSize = CHUNK_BYTES;
  let rest = await input.next();
  try {
    do {
      enforce(options.limits, 'maxFrames', ++frames);
      const stream = options.create(chunkSize);
      let frameBytes = 0;
      const feeding = feed(stream, rest ?? new Uint8Array(), input);
      try {
        for await (const chunk of stream) {
          const bytes = toBytes(chunk);
          frameBytes += bytes.length;
          yield bytes;
        }
        rest = await feeding;
      } catch (error) {
        options.signal?.throwIfAborted();
        if (input.failure) throw input.failure.error;
        if (errorCode(error) === WINDOW_TOO_LARGE) throw windowTooLarge(options.limits);
        throw corruptInput(options.name, offset + stream.bytesWritten, error);
      } finally {
        stream.destroy();
      }
      offset += stream.bytesWritten;
      chunkSize = frameBytes < CHUNK_BYTES ? SMALL_CHUNK_BYTES : CHUNK_BYTES;
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
      await writeTo(stream, chunk);
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

function windowTooLarge({ maxWindowBytes: max }: LayerLimits): LarderError {
  const message = `the layer exceeds the limit maxWindowBytes: its zstd window is more than ${max}`;
  return new LarderError('layers.limit', message, { facts: { limit: 'maxWindowBytes', max } });
}

function toBytes(chunk: unknown): Uint8Array {
  if (chunk instanceof Uint8Array) return chunk;
  throw new TypeError('a stream without an encoding gives bytes');
}
