import { constants, type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  alignedBuffer,
  type DirectWriter,
  makeFolder,
  onDisk,
  openDirectWriter,
  syncName,
  VERIFIED_TIME_S,
} from '../../blobs/index.ts';
import type { Digest } from '../../lib/digest.ts';
import { PIECE_BYTES, PieceDigest } from '../../lib/piece-digest.ts';

/** Nodes mount blobs under other users; only the owner writes. */
const FILE_MODE = 0o644;
/** Pieces in memory: one is filled while others are written. */
const BUFFERS = 4;
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
  /** mark as verified → fsync → rename → fsync of the folder; the digest must have been checked. */
  publish(): Promise<void>;
  /** Keeps what is there for the next process. */
  close(): Promise<void>;
  remove(): Promise<void>;
};

/** Opens `<path>.part`; the pieces that are there are read again for their digests. Throws `blobs.…`. */
export async function openPartFile(
  path: string,
  options: { maxBytes: number; signal: AbortSignal },
): Promise<PartFile> {
  const partPath = path + PART_SUFFIX;
  await makeFolder(dirname(path));
  const file = await onDisk(() => open(partPath, constants.O_RDWR | constants.O_CREAT, FILE_MODE));
  try {
    const pieces = new PieceDigest();
    const size = await readPieces(file, pieces, options);
    const buffers = await Promise.all(Array.from({ length: BUFFERS }, () => alignedBuffer(PIECE_BYTES)));
    // With a page cache between, the kernel copied every byte once more, and fsync waited for most of them in the end.
    const writer = await onDisk(() => openDirectWriter(partPath, file));
    return partFile({ file, writer, buffers, path, partPath, pieces, size });
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
  writer: DirectWriter;
  buffers: readonly Buffer<ArrayBuffer>[];
  path: string;
  partPath: string;
  pieces: PieceDigest;
  size: number;
}): PartFile {
  const { file, writer, buffers, path, partPath } = parts;
  let { pieces, size } = parts;
  let filled = 0;
  /** Which buffer is being filled, and the write of each. */
  let at = 0;
  const writes: (Promise<void> | undefined)[] = buffers.map(() => undefined);
  let lastWrite: Promise<void> = Promise.resolve();

  /** Waits until a buffer is free; a failure is thrown here, once. */
  async function free(index: number): Promise<void> {
    const write = writes[index];
    writes[index] = undefined;
    await write;
  }

  async function settle(): Promise<void> {
    for (let step = 1; step <= buffers.length; step++) await free((at + step) % buffers.length);
  }

  async function flush(): Promise<void> {
    const piece = buffers[at]?.subarray(0, filled);
    if (piece === undefined || filled === 0) return;
    const position = size - filled;
    filled = 0;
    // One write after the other: the kernel locks a file that grows, and would have the others wait on our threads.
    const write = lastWrite.then(() => onDisk(() => writer.write(piece, position)));
    // A failure is thrown where the buffer is wanted again.
    write.catch(() => undefined);
    lastWrite = write;
    writes[at] = write;
    // On this thread: crypto's own threads take a copy, which costs this one more than the digest (1.1 s of CPU instead of
    // 0.9 for 1.5 GB, and as much again over there; bench/start.ts).
    pieces.setPiece(position / PIECE_BYTES, piece);
    at = (at + 1) % buffers.length;
    await free(at);
  }

  return {
    get size() {
      return size;
    },
    async append(bytes) {
      for (let from = 0; from < bytes.length; ) {
        const count = Math.min(PIECE_BYTES - filled, bytes.length - from);
        buffers[at]?.set(bytes.subarray(from, from + count), filled);
        filled += count;
        size += count;
        from += count;
        if (filled === PIECE_BYTES) await flush();
      }
    },
    async rewind(to) {
      filled = 0;
      await settle();
      lastWrite = Promise.resolve();
      size = to;
      if (to === 0) pieces = new PieceDigest();
      await onDisk(() => file.truncate(to));
    },
    async digest() {
      await flush();
      await settle();
      return pieces.digest();
    },
    async publish() {
      await onDisk(async () => {
        await file.utimes(VERIFIED_TIME_S, VERIFIED_TIME_S);
        await file.sync();
        await rename(partPath, path);
      });
      await writer.close();
      await file.close();
      await syncName(path);
    },
    async close() {
      await settle().catch(() => undefined);
      await lastWrite.catch(() => undefined);
      await writer.close();
      await file.close();
    },
    async remove() {
      await onDisk(() => unlink(partPath));
    },
  };
}
