import { hash } from 'node:crypto';
import type { Digest } from '../lib/digest.ts';
import type { Hashing } from '../lib/hashing.ts';
import { PIECE_BYTES, PieceDigest } from '../lib/piece-digest.ts';

/** What a piece of nothing but zeros digests to. */
const ZERO_PIECE_DIGEST = hash('sha256', Buffer.alloc(PIECE_BYTES), 'buffer');

/**
 * The tree digest (lib/piece-digest.ts) of a file that is written in parts, in any order: no byte twice, and what is left
 * out is zeros. A part that is a whole piece is digested where it lies; of other pieces a copy is kept until they are whole.
 */
export class BlobDigest {
  readonly #hashing: Hashing;
  readonly #pieces = new PieceDigest();
  readonly #free: Buffer<ArrayBuffer>[] = [];
  readonly #open = new Map<number, { readonly bytes: Buffer<ArrayBuffer>; filled: number }>();

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
  }

  /** The bytes may be used again once the promise settles. */
  async add(position: number, bytes: Uint8Array): Promise<void> {
    const whole: Promise<void>[] = [];
    for (let from = 0; from < bytes.length; ) {
      const index = Math.floor((position + from) / PIECE_BYTES);
      const offset = (position + from) % PIECE_BYTES;
      const part = bytes.subarray(from, from + PIECE_BYTES - offset);
      if (part.length === PIECE_BYTES) whole.push(this.#addPiece(index, part));
      else this.#fill(index, offset, part);
      from += part.length;
    }
    await Promise.all(whole);
  }

  /** Of a file of so many bytes, once every `add` has settled. */
  finish(fileBytes: number): Digest {
    const lengthOf = (index: number) => Math.min(PIECE_BYTES, fileBytes - index * PIECE_BYTES);
    for (const [index, { bytes }] of this.#open) this.#pieces.setPiece(index, bytes.subarray(0, lengthOf(index)));
    for (let index = 0; index * PIECE_BYTES < fileBytes; index++) {
      if (this.#pieces.has(index)) continue;
      if (lengthOf(index) === PIECE_BYTES) this.#pieces.setPieceDigest(index, ZERO_PIECE_DIGEST);
      else this.#pieces.setPiece(index, Buffer.alloc(lengthOf(index)));
    }
    return this.#pieces.digest();
  }

  async #addPiece(index: number, piece: Uint8Array): Promise<void> {
    this.#pieces.setPieceDigest(index, await this.#hashing.digestPiece(piece));
  }

  #fill(index: number, offset: number, part: Uint8Array): void {
    const piece = this.#open.get(index) ?? {
      bytes: this.#free.pop()?.fill(0) ?? Buffer.alloc(PIECE_BYTES),
      filled: 0,
    };
    piece.bytes.set(part, offset);
    piece.filled += part.length;
    this.#open.set(index, piece);
    if (piece.filled < PIECE_BYTES) return;
    this.#pieces.setPiece(index, piece.bytes);
    this.#open.delete(index);
    this.#free.push(piece.bytes);
  }
}
