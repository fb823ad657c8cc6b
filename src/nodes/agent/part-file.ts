import { constants, type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type DirectWriter,
  directMemory,
  makeFolder,
  onDisk,
  openDirectWriter,
  SYNC_EVERY_BYTES,
  syncName,
  VERIFIED_TIME_S,
} from '../../blobs/index.ts';
import type { Digest } from '../../lib/digest.ts';
import { PIECE_BYTES, PieceDigest } from '../../lib/piece-digest.ts';

/** Nodes mount blobs under other users; only the owner writes. */
const FILE_MODE = 0o644;
/** Written at a time, from memory of which there is twice as much: a disk wants large requests. */
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
    const memory = await directMemory(2 * WRITE_BYTES);
    const writer = await onDisk(() => openDirectWriter(partPath, file));
    return partFile({ file, writer, memory, path, partPath, pieces, size });
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
  memory: Buffer;
  path: string;
  partPath: string;
  pieces: PieceDigest;
  size: number;
}): PartFile {
  const { file, writer, memory, path, partPath } = parts;
  let { pieces, size } = parts;
  // One is filled while the other is written.
  let [filling, writing] = [memory.subarray(0, WRITE_BYTES), memory.subarray(WRITE_BYTES)];
  let filled = 0;
  let write: Promise<unknown> | undefined;
  let syncedBytes = size;
  let sync: Promise<unknown> | undefined;

  /** Waits for the write under way; a failed one is thrown here, once. */
  async function settle(): Promise<void> {
    const pending = write;
    write = undefined;
    await pending;
  }

  /**
   * Digests the last piece, on this thread: crypto's own take a copy of it, which costs this one more than the digest does (1.1
   * s of CPU instead of 0.9 for 1.5 GB, and as much again over there; bench/start.ts).
   */
  function digestLast(bytes: number): void {
    pieces.setPiece((size - bytes) / PIECE_BYTES, filling.subarray(filled - bytes, filled));
  }

  async function flush(): Promise<void> {
    if (filled === 0) return;
    await settle();
    [filling, writing] = [writing, filling];
    const [bytes, at] = [writing.subarray(0, filled), size - filled];
    filled = 0;
    write = onDisk(() => writer.write(bytes, at));
    // A failure is thrown where the write is waited for.
    write.catch(() => undefined);
    if (size - syncedBytes < SYNC_EVERY_BYTES) return;
    const before = sync;
    sync = undefined;
    await before;
    syncedBytes = size;
    sync = onDisk(() => file.datasync());
    sync.catch(() => undefined);
  }

  async function finish(): Promise<void> {
    const tail = filled % PIECE_BYTES;
    if (tail > 0) digestLast(tail);
    await flush();
    await settle();
    const pending = sync;
    sync = undefined;
    await pending;
  }

  return {
    get size() {
      return size;
    },
    async append(bytes) {
      for (let from = 0; from < bytes.length; ) {
        const count = Math.min(PIECE_BYTES - (filled % PIECE_BYTES), bytes.length - from);
        filling.set(bytes.subarray(from, from + count), filled);
        filled += count;
        size += count;
        from += count;
        if (filled % PIECE_BYTES === 0) digestLast(PIECE_BYTES);
        if (filled === WRITE_BYTES) await flush();
      }
    },
    async rewind(to) {
      await settle();
      const written = size - filled;
      filled = Math.max(0, to - written);
      size = to;
      if (to === 0) pieces = new PieceDigest();
      if (to < written) await onDisk(() => file.truncate(to));
    },
    async digest() {
      await finish();
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
      const torn = filled % PIECE_BYTES;
      [filled, size] = [filled - torn, size - torn];
      await flush().catch(() => undefined);
      await settle().catch(() => undefined);
      await sync?.catch(() => undefined);
      await writer.close();
      await file.close();
    },
    async remove() {
      await onDisk(() => unlink(partPath));
    },
  };
}
