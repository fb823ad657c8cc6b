import { randomBytes } from 'node:crypto';
import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { onDisk } from './disk-errors.ts';
import { TEMPORARY_PREFIX } from './layout.ts';
import type { ScratchFile } from './ports.ts';
import { writeFully } from './write-fully.ts';

const FLAGS = constants.O_CREAT | constants.O_EXCL | constants.O_RDWR;
const FILE_MODE = 0o600;

/** A file without a name in this folder. Nothing of it is synced: short-lived, it hardly ever leaves the page cache. */
export async function createScratchFile(folder: string): Promise<ScratchFile> {
  const temporary = join(folder, TEMPORARY_PREFIX + randomBytes(12).toString('hex'));
  const file = await onDisk(() => open(temporary, FLAGS, FILE_MODE));
  try {
    await onDisk(() => unlink(temporary));
  } catch (error) {
    await file.close();
    throw error;
  }
  return {
    write: (bytes, position) => onDisk(() => writeFully(file, bytes, position)),
    read: (into, position) => onDisk(() => readFully(file, into, position)),
    close: () => onDisk(() => file.close()),
  };
}

async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let filled = 0; filled < into.length; ) {
    const { bytesRead } = await file.read(into, filled, into.length - filled, position + filled);
    if (bytesRead === 0) throw new LarderError('blobs.short-read', `a scratch file ends at ${position + filled}`);
    filled += bytesRead;
  }
}
