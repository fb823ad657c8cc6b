import { randomBytes } from 'node:crypto';
import { constants, type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorCode, LarderError } from '../lib/errors.ts';
import { syncFolder } from '../lib/sync-folder.ts';
import { createDirectWriter } from './direct-write.ts';
import { onDisk } from './disk-errors.ts';
import { TEMPORARY_PREFIX } from './layout.ts';
import { VERIFIED_TIME_S } from './verified-file.ts';

/** Nodes mount blobs under other users; only the owner writes. */
const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;
/**
 * After so many bytes what was written is sent to the disk, while the writer goes on. Left to itself the kernel starts when
 * a tenth of the memory is dirty, and the fsync at the end waits for all that is left (bench/build.ts).
 */
export const SYNC_EVERY_BYTES = 64 * 1024 * 1024;

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

/**
 * The one way that bytes become visible:
 * temporary name on the same file system → write → mark as verified → fsync → check the size → rename → fsync of the folder and its parent.
 *
 * A failed fsync is final. The kernel may have dropped the dirty pages and marked them clean, so that a second fsync would
 * succeed with the data gone (https://lwn.net/Articles/752063/); the file must be written again from the start.
 */
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

  async function finish(bytes: number): Promise<void> {
    await early?.sync;
    await opened().utimes(VERIFIED_TIME_S, VERIFIED_TIME_S);
    await opened().sync();
    const { size } = await opened().stat();
    if (size === bytes) return;
    const message = `the file has ${size} bytes instead of ${bytes}`;
    throw new LarderError('blobs.wrong-size', message, { facts: { size, expected: bytes } });
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
          await finish(bytes);
          await makeFolder(dirname(path));
          await rename(temporary, path);
        });
      } catch (error) {
        await abort().catch(() => undefined);
        throw error;
      }
      await close().catch(() => undefined);
      try {
        await syncName(path);
      } catch (error) {
        // The name may or may not survive a power cut; without it the next attempt starts clean.
        await removeDurably(path).catch(() => undefined);
        throw error;
      }
    },

    abort,
  };
}

/** Puts the name of a complete file on stable storage: its folder, and the folder's own name, which may be as new. */
export async function syncName(path: string): Promise<void> {
  await onDisk(async () => {
    await syncFolder(dirname(path));
    await syncFolder(dirname(dirname(path)));
  });
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
