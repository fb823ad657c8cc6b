import { hash } from 'node:crypto';
import { readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { errorCode, LarderError } from '../lib/errors.ts';
import { PieceDigest } from '../lib/piece-digest.ts';
import { openDirect } from './direct-read.ts';
import { onDisk } from './disk-errors.ts';
import { makeFolder, syncName } from './durable-file.ts';
import { createLayout } from './layout.ts';
import type { BlobKeeper } from './ports.ts';
import { isMarkedVerified, markVerified } from './verified-file.ts';

/** What a disk says of a place that it can't read any more, and a file system of its own damage (errno(3)). */
const UNREADABLE = new Set(['EIO', 'EBADMSG', 'EUCLEAN', 'ENODATA', 'EREMOTEIO']);

/**
 * Checks blobs as they lie on the disk of this folder, and puts aside what is wrong: moved to `quarantine/`, on the same file
 * system, where nobody looks for blobs.
 */
export function openBlobKeeper({ directory }: { directory: string }): BlobKeeper {
  const layout = createLayout(directory);
  const quarantine = join(directory, 'quarantine');

  async function putAside(path: string, nowMs: number): Promise<string | undefined> {
    const time = new Date(nowMs).toISOString().replaceAll(/[-:.]/g, '');
    const target = join(quarantine, `${time}-${basename(path)}`);
    return onDisk(async () => {
      await makeFolder(quarantine);
      try {
        await rename(path, target);
      } catch (error) {
        if (errorCode(error) === 'ENOENT') return undefined;
        throw error;
      }
      await syncName(target);
      await syncName(path);
      return target;
    });
  }

  return {
    async read(diffId, { signal, onPiece }) {
      const path = layout.blobFile(diffId);
      const file = await onDisk(() => openDirect(path)).catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT') throw new LarderError('blobs.not-found', `there is no layer blob ${diffId}`);
        throw unreadable(error);
      });
      try {
        const { ino, size } = await onDisk(() => file.handle.stat());
        const pieces = new PieceDigest();
        for (let index = 0; ; index++) {
          signal.throwIfAborted();
          const piece = await onDisk(() => file.readPiece(index)).catch((error: unknown) => {
            throw unreadable(error);
          });
          if (piece.length === 0) break;
          pieces.setPieceDigest(index, hash('sha256', piece, 'buffer'));
          await onPiece?.(piece.length);
        }
        return { blobDigest: pieces.digest(), bytes: size, fileId: `${ino}` };
      } finally {
        await file.handle.close();
      }
    },

    async confirm(diffId) {
      const path = layout.blobFile(diffId);
      if (!(await isMarkedVerified(path))) await markVerified(path);
    },

    async quarantine(diffId, { fileId, nowMs }) {
      const path = layout.blobFile(diffId);
      const found = await statOf(path);
      // Another file has taken the place of the one that was read.
      if (fileId !== undefined && found !== undefined && `${found.ino}` !== fileId) return false;
      if (found !== undefined) await putAside(path, nowMs);
      return true;
    },

    async quarantineSnapshot(id, nowMs) {
      await putAside(layout.snapshotFile(id), nowMs);
    },

    changedAtMs: async (diffId) => (await statOf(layout.blobFile(diffId)))?.ctimeMs,

    async pruneQuarantine(beforeMs) {
      // The server makes the folder, so that it is its own, whoever puts something aside later.
      await makeFolder(quarantine);
      const names = await onDisk(() => readdir(quarantine));
      let removed = 0;
      for (const name of names) {
        const path = join(quarantine, name);
        const found = await statOf(path);
        if (found === undefined || found.ctimeMs >= beforeMs) continue;
        await onDisk(() => unlink(path));
        removed++;
      }
      return removed;
    },
  };
}

/** `blobs.unreadable` for what is the matter with this file alone; any other failure says nothing about its bytes. */
function unreadable(error: unknown): unknown {
  if (!UNREADABLE.has(errnoOf(error) ?? '')) return error;
  return new LarderError('blobs.unreadable', 'the disk cannot read the file any more', { cause: error });
}

function errnoOf(error: unknown): string | undefined {
  const errno = error instanceof LarderError ? error.facts.errno : undefined;
  return typeof errno === 'string' ? errno : undefined;
}

async function statOf(path: string) {
  return onDisk(async () => {
    try {
      return await stat(path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  });
}
