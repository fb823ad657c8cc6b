import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolder, onDisk, VERIFIED_TIME_S } from '../../blobs/index.ts';
import type { Digest } from '../../lib/digest.ts';
import type { Hashing } from '../../lib/hashing.ts';
import { PIECE_BYTES, PieceDigest } from '../../lib/piece-digest.ts';
import { publishFile } from '../../lib/publish-file.ts';
import { openWriteBehind, type WriteBehind } from './write-behind.ts';

/** Nodes mount blobs under other users; only the owner writes. */
const FILE_MODE = 0o644;
/** A disk wants large requests. */
const WRITE_BYTES = 4 * PIECE_BYTES;
/** What a blob under way has after its name. */
export const PART_SUFFIX = '.part';

/**
 * A blob under way, beside where it will lie. It is written from front to back in whole pieces, and what an earlier process
 * left of it is taken up. Its bytes are trusted only when all of them have the blob's tree digest. Calls must not overlap.
 */
export type PartFile = {
  /** Bytes that are there, a multiple of a piece until the last. */
  readonly size: number;
  /** Adds bytes; they may be reused once the promise settles. */
  append(bytes: Uint8Array): Promise<void>;
  /** Back to this size, which is a multiple of a piece and not more than there is. What was appended but fills no piece is dropped. */
  rewind(size: number): Promise<void>;
  /** The digest of all that was appended. */
  digest(): Promise<Digest>;
  /** Marks it as verified, and makes it visible; the digest must have been checked. */
  publish(): Promise<void>;
  /** Keeps what is there for the next process. */
  close(): Promise<void>;
  remove(): Promise<void>;
};

/** Opens `<path>.part`; the pieces that are there are read again for their digests. Throws `blobs.…`. */
export async function openPartFile(
  path: string,
  options: { maxBytes: number; hashing: Hashing; signal: AbortSignal },
): Promise<PartFile> {
  const partPath = path + PART_SUFFIX;
  await makeFolder(dirname(path));
  const file = await onDisk(() => open(partPath, constants.O_RDWR | constants.O_CREAT, FILE_MODE));
  try {
    const pieces = new PieceDigest();
    const size = await readPieces(file, pieces, options);
    const writes = await openWriteBehind(partPath, file, WRITE_BYTES);
    return partFile({ file, writes, path, partPath, pieces, size, hashing: options.hashing });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Whole pieces only: the tail of a file may be torn. */
async function readPieces(
  file: FileHandle,
  pieces: PieceDigest,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<number> {
  const { size } = await onDisk(() => file.stat());
  const whole = size > maxBytes ? 0 : Math.floor(size / PIECE_BYTES) * PIECE_BYTES;
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  for (let at = 0; at < whole; at += PIECE_BYTES) {
    signal.throwIfAborted();
    const { bytesRead } = await onDisk(() => file.read(piece, 0, PIECE_BYTES, at));
    if (bytesRead < PIECE_BYTES) return at;
    pieces.setPiece(at / PIECE_BYTES, piece);
  }
  return whole;
}

function partFile(parts: {
  file: FileHandle;
  writes: WriteBehind;
  path: string;
  partPath: string;
  pieces: PieceDigest;
  size: number;
  hashing: Hashing;
}): PartFile {
  const { file, writes, path, partPath, hashing } = parts;
  let { pieces, size } = parts;
  let filled = 0;
  /** Those under way of the buffer that is being filled, and of the one before it, which is filled next. */
  let digests: Promise<void>[] = [];
  let digestsBefore: Promise<void>[] = [];

  /**
   * Digests the last piece where it lies, on a thread of its own: this one has the connection to read, and was a third busier
   * with it. crypto's own threads take a copy, which costs as much as the digest (bench/start.ts).
   */
  function digestLast(bytes: number): void {
    const index = (size - bytes) / PIECE_BYTES;
    const piece = writes.buffer.subarray(filled - bytes, filled);
    const digested = hashing.digestPiece(piece).then((digest) => pieces.setPieceDigest(index, digest));
    // A failure is thrown where it is waited for.
    digested.catch(() => undefined);
    digests.push(digested);
  }

  async function flush(): Promise<void> {
    if (filled === 0) return;
    await Promise.all(digestsBefore);
    [digests, digestsBefore] = [[], digests];
    const bytes = filled;
    filled = 0;
    await writes.write(bytes, size - bytes);
  }

  async function settleDigests(): Promise<void> {
    const underWay = [...digestsBefore, ...digests];
    [digests, digestsBefore] = [[], []];
    await Promise.all(underWay);
  }

  return {
    get size() {
      return size;
    },
    async append(bytes) {
      for (let from = 0; from < bytes.length; ) {
        const count = Math.min(PIECE_BYTES - (filled % PIECE_BYTES), bytes.length - from);
        writes.buffer.set(bytes.subarray(from, from + count), filled);
        filled += count;
        size += count;
        from += count;
        if (filled % PIECE_BYTES === 0) digestLast(PIECE_BYTES);
        if (filled === WRITE_BYTES) await flush();
      }
    },
    async rewind(to) {
      const written = size - filled;
      // After a write that failed nothing may be written behind it.
      filled = 0;
      await settleDigests();
      await writes.settle();
      filled = Math.max(0, to - written);
      size = to;
      if (to === 0) pieces = new PieceDigest();
      if (to < written) await onDisk(() => file.truncate(to));
    },
    async digest() {
      const tail = filled % PIECE_BYTES;
      if (tail > 0) digestLast(tail);
      await settleDigests();
      await flush();
      await writes.finish();
      return pieces.digest();
    },
    async publish() {
      await onDisk(async () => {
        await file.utimes(VERIFIED_TIME_S, VERIFIED_TIME_S);
        await publishFile(file, { from: partPath, to: path, bytes: size, isFolderNew: true });
      });
      await writes.close();
      await file.close();
    },
    async close() {
      const torn = filled % PIECE_BYTES;
      [filled, size] = [filled - torn, size - torn];
      await settleDigests().catch(() => undefined);
      await flush().catch(() => undefined);
      await writes.close();
      await file.close();
    },
    async remove() {
      await onDisk(() => unlink(partPath));
    },
  };
}
