import { randomBytes } from 'node:crypto';
import { constants, type FileHandle, mkdir, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, LarderError } from '../lib/errors.ts';
import { publishFile, syncFolder, syncName as syncNameOf } from '../lib/publish-file.ts';
import { createDirectWriter } from './direct-write.ts';
import { onDisk } from './disk-errors.ts';
import { TEMPORARY_PREFIX } from './layout.ts';
import { VERIFIED_TIME_S } from './verified-file.ts';

/** Nodes mount blobs under other users; only the owner writes. */
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;
/**
 * After so many bytes what was written is sent to the disk, while the writer goes on: the fsync at the end would wait for all of
 * it. A disk may serve nobody else meanwhile, so the steps are as short as what buffers hold. Of 64 MiB each, they cost a build
 * of 1.3 GB a sixth of its time (bench/build.ts).
 */
export const SYNC_EVERY_BYTES = 8 * 1024 * 1024;

/** A file that nobody sees until it is published whole, or never. */
export type DurableFile = {
  /** Writes to different positions may be under way at once. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<void>;
  /**
   * Makes the file visible as `path`, complete, on stable storage, and marked as verified (verified-file.ts). After a
   * failure the file can only be aborted.
   */
  publish(path: string, bytes: number): Promise<void>;
  /** Removes the file unless it was published; safe at any time. */
  abort(): Promise<void>;
};

/** Makes the file under a temporary name in this folder; see lib/publish-file.ts for how it becomes visible. */
export async function createDurableFile(folder: string): Promise<DurableFile> {
  const temporary = join(folder, TEMPORARY_PREFIX + randomBytes(12).toString('hex'));
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
  let handle: FileHandle | undefined = await onDisk(() => open(temporary, flags, FILE_MODE));
  const writer = createDirectWriter(temporary, handle);
  let unsyncedBytes = 0;
  let early: { done: boolean; sync: Promise<void> } | undefined;

  function opened(): FileHandle {
    if (handle === undefined) throw new LarderError('blobs.closed', 'the file was published or aborted before');
    return handle;
  }

  /** Sends to the disk what is there so far, beside what follows; a failure comes out at the next write, or at the end. */
  async function syncEarly(writtenBytes: number): Promise<void> {
    unsyncedBytes += writtenBytes;
    if (unsyncedBytes < SYNC_EVERY_BYTES || early?.done === false) return;
    await early?.sync;
    unsyncedBytes = 0;
    const begun = { done: false, sync: opened().datasync() };
    early = begun;
    begun.sync.finally(() => (begun.done = true)).catch(() => undefined);
  }

  async function close(): Promise<void> {
    const closing = handle;
    handle = undefined;
    await early?.sync.catch(() => undefined);
    await writer.close();
    await closing?.close();
  }

  async function abort(): Promise<void> {
    if (handle === undefined) return;
    // The unlink counts, not what close says about bytes that nobody wants any more.
    await close().catch(() => undefined);
    await onDisk(() => removeFile(temporary));
  }

  return {
    writev: (buffers, position) =>
      onDisk(async () => {
        opened();
        let at = position;
        for (const bytes of buffers) {
          await writer.write(bytes, at);
          at += bytes.byteLength;
        }
        await syncEarly(at - position);
      }),

    async publish(path, bytes) {
      try {
        await onDisk(async () => {
          await early?.sync;
          await opened().utimes(VERIFIED_TIME_S, VERIFIED_TIME_S);
          await makeFolder(dirname(path));
          await publishFile(opened(), { from: temporary, to: path, bytes, isFolderNew: true });
        });
      } catch (error) {
        await abort().catch(() => undefined);
        throw error;
      }
      await close().catch(() => undefined);
    },

    abort,
  };
}

/** The name of a complete file, onto stable storage. */
export async function syncName(path: string): Promise<void> {
  await onDisk(() => syncNameOf(path));
}

/** Removes a file durably; no error when there is none. */
export async function removeDurably(path: string): Promise<void> {
  await onDisk(async () => {
    if (await removeFile(path)) await syncFolder(dirname(path));
  });
}

/** Makes a folder and the missing ones above it. */
export async function makeFolder(folder: string): Promise<void> {
  await onDisk(() => mkdir(folder, { recursive: true, mode: FOLDER_MODE }));
}

async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
