import { hash } from 'node:crypto';
import { type Digest, digestOfHex } from './digest.ts';

/** Bytes of one piece; the last piece of a file may have fewer. */
export const PIECE_BYTES = 1 << 20;
const SHA256_BYTES = 32;

/**
 * The tree digest of a file: sha256 over the sha256 digests of its pieces of 1 MiB, one after the other. Pieces may be
 * digested in any order and on any thread, which a plain sha256 does not allow: block 0 of a layer blob is written last.
 */
export class PieceDigest {
  #digests = Buffer.alloc(64 * SHA256_BYTES);
  #pieces = 0;

  /** Takes piece number `index` (0 is the first of the file), whole. */
  setPiece(index: number, bytes: Uint8Array): void {
    this.setPieceDigest(index, hash('sha256', bytes, 'buffer'));
  }

  setPieceDigest(index: number, digest: Uint8Array): void {
    const end = (index + 1) * SHA256_BYTES;
    if (end > this.#digests.length) {
      const larger = Buffer.alloc(2 * end);
      larger.set(this.#digests);
      this.#digests = larger;
    }
    this.#digests.set(digest, index * SHA256_BYTES);
    this.#pieces = Math.max(this.#pieces, index + 1);
  }

  digest(): Digest {
    return digestOfHex(hash('sha256', this.#digests.subarray(0, this.#pieces * SHA256_BYTES), 'hex'));
  }
}
