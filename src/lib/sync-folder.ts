import { constants, open } from 'node:fs/promises';

/** fsync(2) of a folder: the names in it, new ones and removed ones, are then on stable storage. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
