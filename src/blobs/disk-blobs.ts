import { type FileHandle, open, opendir, readFile, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import { onDisk } from './disk-errors.ts';
import { createDurableFile, makeFolder, removeDurably, syncName } from './durable-file.ts';
import { createLayout, diffIdOfFile, snapshotIdOfFile, TEMPORARY_PREFIX } from './layout.ts';
import type { BlobIngest, BlobReader, BlobStore } from './ports.ts';
import { createScratchFile } from './scratch-file.ts';

/** A blob store whose files nodes of this machine can open. */
export type DiskBlobs = BlobStore & {
  /** Where the blob of this diffID lies, whether or not it is there. */
  path(diffId: Digest): string;
  snapshotPath(id: string): string;
};

/** Opens the blob store below a folder, which is made when it is missing. Errors are `blobs.…`, see disk-errors.ts. */
export async function openDiskBlobs({ directory }: { directory: string }): Promise<DiskBlobs> {
  const layout = createLayout(directory);
  for (const folder of [layout.blobs, layout.snapshots]) {
    await makeFolder(folder);
    await syncName(join(folder, TEMPORARY_PREFIX));
  }
  await syncName(join(directory, TEMPORARY_PREFIX));

  return {
    path: (diffId) => layout.blobFile(diffId),
    snapshotPath: (id) => layout.snapshotFile(id),

    async begin(): Promise<BlobIngest> {
      const file = await createDurableFile(layout.blobs);
      return {
        writev: (buffers, position) => file.writev(buffers, position),
        scratch: () => createScratchFile(layout.blobs),
        abort: () => file.abort(),
        commit: (diffId, bytes) => file.publish(layout.blobFile(diffId), bytes),
      };
    },

    size: (diffId) => sizeOf(layout.blobFile(diffId)),
    async open(diffId) {
      const file = await unlessMissing(() => open(layout.blobFile(diffId)));
      if (!file) throw new LarderError('blobs.not-found', `there is no layer blob ${diffId}`);
      return readerOf(file, diffId);
    },
    remove: (diffId) => removeDurably(layout.blobFile(diffId)),

    async *list() {
      for await (const path of filesBelow(layout.blobs)) {
        const diffId = diffIdOfFile(basename(path));
        const bytes = diffId === undefined ? undefined : await sizeOf(path);
        if (diffId !== undefined && bytes !== undefined) yield { diffId, bytes };
      }
    },

    async putSnapshot(id, text) {
      const path = layout.snapshotFile(id);
      const bytes = Buffer.from(text, 'utf8');
      const file = await createDurableFile(layout.snapshots);
      try {
        await file.writev([bytes], 0);
        await file.publish(path, bytes.byteLength);
      } finally {
        await file.abort();
      }
    },

    async getSnapshot(id) {
      const path = layout.snapshotFile(id);
      return unlessMissing(() => readFile(path, 'utf8'));
    },

    removeSnapshot: async (id) => removeDurably(layout.snapshotFile(id)),

    async *listSnapshots() {
      for await (const path of filesBelow(layout.snapshots)) {
        const id = snapshotIdOfFile(basename(path));
        if (id !== undefined) yield id;
      }
    },

    async removeLeftovers() {
      const removed: string[] = [];
      for (const folder of [layout.blobs, layout.snapshots]) {
        for await (const path of filesBelow(folder)) {
          if (!basename(path).startsWith(TEMPORARY_PREFIX)) continue;
          await removeDurably(path);
          removed.push(relative(directory, path));
        }
      }
      return removed;
    },
  };
}

function readerOf(file: FileHandle, diffId: Digest): BlobReader {
  return {
    async read(position, length) {
      const bytes = Buffer.allocUnsafe(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await onDisk(() => file.read(bytes, filled, length - filled, position + filled));
        if (bytesRead === 0)
          throw new LarderError('blobs.short-read', `layer blob ${diffId} ends at ${position + filled}`);
        filled += bytesRead;
      }
      return bytes;
    },
    close: () => file.close(),
  };
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await unlessMissing(() => stat(path)))?.size;
}

/** The regular files below a folder, one open folder per level; a folder that vanishes meanwhile is skipped. */
async function* filesBelow(folder: string): AsyncIterable<string> {
  const entries = await unlessMissing(() => opendir(folder));
  if (entries === undefined) return;
  for await (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

async function unlessMissing<T>(operation: () => Promise<T>): Promise<T | undefined> {
  return onDisk(async () => {
    try {
      return await operation();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  });
}
