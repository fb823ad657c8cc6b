import { HASH_BEHIND_BYTES } from '../lib/hashing.ts';

export type Compression = 'gzip' | 'zstd' | 'none';

/** A chunk that a decompressor gave is valid until this many more bytes were taken: its memory may be used again. */
export const CHUNK_VALID_BYTES = HASH_BEHIND_BYTES;

/** Inflates a stream, each of whose chunks is valid until the next is asked for. Throws `layers.corrupt` for what is not sound to its last byte; ends its work when not read to the end. */
export type Decompressor = (
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
) => AsyncIterable<Uint8Array>;
