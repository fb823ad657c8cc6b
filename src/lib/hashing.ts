import { createHash, hash } from 'node:crypto';
import { PIECE_BYTES } from './piece-digest.ts';

/** Memory of `takeMemory`, a huge page: so much is written at a time. Half of it took up to twice as long, twice as much the same. */
export const MEMORY_BYTES = 2 * PIECE_BYTES;
/** A stream may still read this many of the bytes that it was given, the last ones, when `update` resolves. */
export const HASH_BEHIND_BYTES = 1 << 20;

/** Where sha256 is computed: on the caller's thread (`hashHere`), or on one of its own (hash-thread.ts). */
export type Hashing = {
  /** Memory of MEMORY_BYTES, with anything in it, that other threads can read. */
  takeMemory(): Buffer;
  /** Gives memory of `takeMemory` back: nothing uses it any more. */
  giveMemory(memory: Buffer): void;
  /** The digest of bytes that must not change before the promise settles. */
  digestPiece(bytes: Uint8Array): Promise<Uint8Array>;
  /** For bytes that come one after the other. */
  stream(): StreamHash;
};

export type StreamHash = {
  /** The bytes must not change before HASH_BEHIND_BYTES more of them were taken. */
  update(bytes: Uint8Array): Promise<void>;
  /** Lower-case hex digits. Ends the stream. */
  digest(): Promise<string>;
  /** Ends a stream whose digest nobody wants any more, and reads nothing after it resolved; no harm after `digest`. */
  close(): Promise<void>;
};

/** Hashing on the caller's thread. */
export const hashHere: Hashing = {
  takeMemory: () => Buffer.allocUnsafeSlow(MEMORY_BYTES),
  giveMemory() {},
  digestPiece: async (bytes) => hash('sha256', bytes, 'buffer'),
  stream() {
    const sha256 = createHash('sha256');
    return {
      async update(bytes) {
        sha256.update(bytes);
      },
      digest: async () => sha256.digest('hex'),
      async close() {},
    };
  },
};
