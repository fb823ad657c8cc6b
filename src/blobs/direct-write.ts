import { constants, type FileHandle, open } from 'node:fs/promises';
import { errorCode } from '../lib/errors.ts';
import { ALIGNMENT_BYTES } from './direct-read.ts';
import { writeFully } from './write-fully.ts';

export type DirectWriter = {
  /** Writes all bytes. Calls must not overlap. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  close(): Promise<void>;
};

/**
 * Writes to a file past the page cache (O_DIRECT) where memory (`alignedBuffer`), length and position are aligned and the file
 * system can, and through `file`, which is open for writing, elsewhere. What went past the cache is with the disk, so that
 * an fsync has little left to wait for; it is still needed.
 */
export async function openDirectWriter(path: string, file: FileHandle): Promise<DirectWriter> {
  let direct = await openUncached(path);

  return {
    async write(bytes, position) {
      if (direct !== undefined && (bytes.length | position) % ALIGNMENT_BYTES === 0) {
        try {
          return await writeFully(direct, [bytes], position);
        } catch (error) {
          // Some file systems refuse only now.
          if (errorCode(error) !== 'EINVAL') throw error;
          await direct.close();
          direct = undefined;
        }
      }
      await writeFully(file, [bytes], position);
    },
    async close() {
      await direct?.close();
    },
  };
}

async function openUncached(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_WRONLY | constants.O_DIRECT);
  } catch (error) {
    if (errorCode(error) !== 'EINVAL') throw error;
    return undefined;
  }
}
