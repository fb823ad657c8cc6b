import { constants, type FileHandle, open } from 'node:fs/promises';
import { errorCode } from '../lib/errors.ts';
import { PIECE_BYTES } from '../lib/piece-digest.ts';

/** Of the memory, the length and the position of direct reads and writes: the largest sector there is, and a page. */
export const ALIGNMENT_BYTES = 4096;

export type DirectFile = {
  readonly handle: FileHandle;
  /** Piece number `index` as it lies on the disk; valid until the next read. Shorter at the end of the file, empty behind it. */
  readPiece(index: number): Promise<Uint8Array>;
};

/**
 * Opens a file to read it piece by piece past the page cache (O_DIRECT): what the kernel remembers of a file says nothing
 * about the disk, and reading every blob would push out what containers use. Where the file system has no such reads, the
 * cache is used. The caller closes the handle.
 */
export async function openDirect(path: string): Promise<DirectFile> {
  const buffer = await alignedBuffer(PIECE_BYTES);
  const file = { handle: await openUncached(path) };

  async function fill(index: number): Promise<number> {
    let filled = 0;
    while (filled < PIECE_BYTES) {
      const position = index * PIECE_BYTES + filled;
      const { bytesRead } = await file.handle.read(buffer, filled, PIECE_BYTES - filled, position);
      filled += bytesRead;
      // A short read is the end of the file; the rest of it would not be aligned.
      if (bytesRead === 0 || bytesRead % ALIGNMENT_BYTES !== 0) break;
    }
    return filled;
  }

  return {
    get handle() {
      return file.handle;
    },
    async readPiece(index) {
      try {
        return buffer.subarray(0, await fill(index));
      } catch (error) {
        if (errorCode(error) !== 'EINVAL') throw error;
        await file.handle.close();
        file.handle = await open(path);
        return buffer.subarray(0, await fill(index));
      }
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
