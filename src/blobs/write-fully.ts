import type { FileHandle } from 'node:fs/promises';
import { LarderError } from '../lib/errors.ts';

/** Writes all bytes; pwrite(2) may write any part of what it was given. Throws `blobs.io`, or the system's error. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    // A disk that takes nothing and reports nothing would keep us here for ever.
    if (bytesWritten === 0) throw new LarderError('blobs.io', 'the disk took no bytes');
    written += bytesWritten;
  }
}
