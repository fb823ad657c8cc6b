import { constants, type FileHandle, open } from 'node:fs/promises';
import { errorCode } from '../lib/errors.ts';
import { PIECE_BYTES } from '../lib/piece-digest.ts';

/** Of the memory, the length and the position of direct reads and writes: the largest sector there is, and a page. */
export const ALIGNMENT_BYTES = 4096;

export type DirectFile = {
  /** Closing it waits for what is being read. */
  readonly handle: FileHandle;
  /** Piece number `index` as it lies on the disk; valid until the next read. Shorter at the end of the file, empty behind it. */
  readPiece(index: number): Promise<Uint8Array>;
};

/**
 * Opens a file to read it piece by piece past the page cache (O_DIRECT): what the kernel remembers of a file says nothing
 * about the disk, and reading every blob would push out what containers use. Where the file system has no such reads, the
 * cache is used. The caller closes the handle. While a piece is looked at the next one is read: without that a fresh node had
 * its first output a quarter later (bench/start.ts).
 */
export async function openDirect(path: string): Promise<DirectFile> {
  let [buffer, other] = [await alignedBuffer(PIECE_BYTES), await alignedBuffer(PIECE_BYTES)];
  let handle = await openUncached(path);
  let next: { readonly index: number; readonly bytes: Promise<Uint8Array> } | undefined;

  async function fill(into: Buffer, index: number): Promise<Uint8Array> {
    let filled = 0;
    while (filled < PIECE_BYTES) {
      const position = index * PIECE_BYTES + filled;
      const { bytesRead } = await handle.read(into, filled, PIECE_BYTES - filled, position);
      filled += bytesRead;
      // A short read is the end of the file; the rest of it would not be aligned.
      if (bytesRead === 0 || bytesRead % ALIGNMENT_BYTES !== 0) break;
    }
    return into.subarray(0, filled);
  }

  /** One at a time. */
  async function read(into: Buffer, index: number): Promise<Uint8Array> {
    try {
      return await fill(into, index);
    } catch (error) {
      if (errorCode(error) !== 'EINVAL') throw error;
      await handle.close();
      handle = await open(path);
      return fill(into, index);
    }
  }

  return {
    get handle() {
      return handle;
    },
    async readPiece(index) {
      const ahead = next;
      next = undefined;
      // What was read in vain must not come into the buffer later.
      if (ahead?.index !== index) await ahead?.bytes.catch(() => undefined);
      const bytes = await (ahead?.index === index ? ahead.bytes : read(other, index));
      [buffer, other] = [other, buffer];
      if (bytes.length < PIECE_BYTES) return bytes;
      next = { index: index + 1, bytes: read(other, index + 1) };
      // A failure is thrown to whoever asks for it.
      next.bytes.catch(() => undefined);
      return bytes;
    },
  };
}

async function openUncached(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECT);
  } catch (error) {
    if (errorCode(error) !== 'EINVAL') throw error;
    return open(path);
  }
}

async function alignedBuffer(bytes: number): Promise<Buffer> {
  const { address } = await import('koffi');
  const memory = Buffer.allocUnsafeSlow(bytes + ALIGNMENT_BYTES);
  const over = Number(address(memory) % BigInt(ALIGNMENT_BYTES));
  const start = over === 0 ? 0 : ALIGNMENT_BYTES - over;
  return memory.subarray(start, start + bytes);
}
