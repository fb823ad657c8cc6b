import { constants, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LarderError } from './errors.ts';

/**
 * The one way that files become visible: a temporary name on the same file system → write → fsync → check the size → rename →
 * fsync of the folder, and of the one above where the folder may be as new (`isFolderNew`). The caller has written all bytes to
 * the file `from`, and closes the handle.
 *
 * A failed fsync is final. The kernel may have dropped the dirty pages and marked them clean, so that a second fsync would
 * succeed with the data gone (https://lwn.net/Articles/752063/); the file must be written again from the start.
 *
 * Throws the system's errors, and `blobs.wrong-size`.
 */
export async function publishFile(
  handle: FileHandle,
  { from, to, bytes, isFolderNew = false }: { from: string; to: string; bytes: number; isFolderNew?: boolean },
): Promise<void> {
  await handle.sync();
  const { size } = await handle.stat();
  if (size !== bytes) {
    const message = `the file has ${size} bytes instead of ${bytes}`;
    throw new LarderError('blobs.wrong-size', message, { facts: { size, expected: bytes } });
  }
  await rename(from, to);
  try {
    if (isFolderNew) await syncName(to);
    else await syncFolder(dirname(to));
  } catch (error) {
    // The name may or may not survive a power cut; without it the next attempt starts clean.
    await rm(to, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Puts the name of a complete file on stable storage: its folder, and the folder's own name. */
export async function syncName(path: string): Promise<void> {
  await syncFolder(dirname(path));
  await syncFolder(dirname(dirname(path)));
}

/** fsync(2) of a folder: the names in it, new ones and removed ones, are then on stable storage. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
