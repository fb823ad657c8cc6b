import { HASH_BEHIND_BYTES } from '../lib/hashing.ts';
import type { SharedRing } from './shared-ring.ts';

export type Compression = 'gzip' | 'zstd' | 'none';

/** A chunk that a decompressor gave is valid until this many more bytes were taken: its memory may be used again. */
export const CHUNK_VALID_BYTES = HASH_BEHIND_BYTES;

export type InflateOptions = {
  readonly signal?: AbortSignal | undefined;
  /** Memory that other threads can read, asked for by those inflaters that give what they inflate in it. */
  readonly ring: () => SharedRing;
};

/** Inflates a stream, each of whose chunks is valid until the next is asked for. Throws `layers.corrupt` for what is not sound to its last byte; ends its work when not read to the end. */
export type Decompressor = (
  compression: Compression,
  source: AsyncIterable<Uint8Array>,
  options: InflateOptions,
) => AsyncIterable<Uint8Array>;
