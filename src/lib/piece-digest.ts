import { hash } from 'node:crypto';
import { type Digest, digestOfHex } from './digest.ts';

/** Bytes of one piece; the last piece of a file may have fewer. */
export const PIECE_BYTES = 1 << 20;

/**
 * The tree digest of a file: sha256 over the sha256 digests of its pieces of 1 MiB, one after the other. Pieces may be
 * digested in any order and on any thread, which a plain sha256 does not allow: block 0 of a layer blob is written last.
 */
export class PieceDigest {
  readonly #digests: Uint8Array[] = [];

  /** Takes piece number `index` (0 is the first of the file), whole. */
  setPiece(index: number, bytes: Uint8Array): void {
    this.setPieceDigest(index, hash('sha256', bytes, 'buffer'));
  }

  setPieceDigest(index: number, digest: Uint8Array): void {
    this.#digests[index] = digest;
  }

  has(index: number): boolean {
    return this.#digests[index] !== undefined;
  }

  /** Every piece must have been set. */
  digest(): Digest {
    return digestOfHex(hash('sha256', Buffer.concat(this.#digests), 'hex'));
  }
}
