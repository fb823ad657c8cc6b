import { open, stat, utimes } from 'node:fs/promises';
import type { Digest } from '../lib/digest.ts';
import { PIECE_BYTES, PieceDigest } from '../lib/piece-digest.ts';
import { onDisk } from './disk-errors.ts';

/** The time of last change that a verified file carries. Any write sets another. */
export const VERIFIED_TIME_S = 0;

/** Whether the file was verified when it was published, and not written since; by one stat(2). False where there is none. */
export async function isMarkedVerified(path: string): Promise<boolean> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found?.mtimeNs === BigInt(VERIFIED_TIME_S);
}

/** To be called by whoever has just checked the bytes, and by nobody else. */
export async function markVerified(path: string): Promise<void> {
  await onDisk(() => utimes(path, VERIFIED_TIME_S, VERIFIED_TIME_S));
}

/** The tree digest of a file as it lies on the disk; `onBytes` gets the size of each piece read. */
export async function digestOfFile(
  path: string,
  options: { signal?: AbortSignal | undefined; onBytes?: (bytes: number) => void } = {},
): Promise<Digest> {
  return onDisk(async () => {
    const file = await open(path);
    try {
      const pieces = new PieceDigest();
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      for (let index = 0; ; index++) {
        options.signal?.throwIfAborted();
        const filled = await readPiece(file, piece, index);
        if (filled > 0) pieces.setPiece(index, piece.subarray(0, filled));
        options.onBytes?.(filled);
        if (filled < PIECE_BYTES) return pieces.digest();
      }
    } finally {
      await file.close();
    }
  });
}

/** Whether the file's bytes have this tree digest. */
export async function verifyFile(path: string, digest: Digest, signal?: AbortSignal): Promise<boolean> {
  return (await digestOfFile(path, { signal })) === digest;
}

async function readPiece(file: Awaited<ReturnType<typeof open>>, piece: Buffer, index: number): Promise<number> {
  let filled = 0;
  while (filled < PIECE_BYTES) {
    const { bytesRead } = await file.read(piece, filled, PIECE_BYTES - filled, index * PIECE_BYTES + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
