import type { FileHandle } from 'node:fs/promises';
import { createDirectWriter, directMemory, onDisk, SYNC_EVERY_BYTES } from '../../blobs/index.ts';

/** Writes of a file from front to back, each beside what is done next, and on their way to the disk early. Calls must not overlap. */
export type WriteBehind = {
  /** To be filled for the next write; another one after it. */
  readonly buffer: Buffer;
  /** Begins to write the first bytes of the buffer. Throws what an earlier write or sync failed with. */
  write(bytes: number, position: number): Promise<void>;
  /** Waits for the write under way. */
  settle(): Promise<void>;
  /** Waits for all that is under way. */
  finish(): Promise<void>;
  /** Waits, whatever comes of it. The file stays open. */
  close(): Promise<void>;
};

/** On a file that is open for writing; there is twice as much memory as is written at a time. */
export async function openWriteBehind(path: string, file: FileHandle, writeBytes: number): Promise<WriteBehind> {
  const memory = await directMemory(2 * writeBytes);
  const writer = createDirectWriter(path, file);
  // One is filled while the other is written.
  let [filling, writing] = [memory.subarray(0, writeBytes), memory.subarray(writeBytes)];
  let pending: { write?: Promise<void>; sync?: Promise<void> } = {};
  let unsyncedBytes = 0;

  /** A failure is thrown here, once. */
  async function settle(): Promise<void> {
    const { write, ...others } = pending;
    pending = others;
    await write;
  }

  async function synced(): Promise<void> {
    const { sync, ...others } = pending;
    pending = others;
    await sync;
  }

  return {
    get buffer() {
      return filling;
    },
    async write(bytes, position) {
      await settle();
      [filling, writing] = [writing, filling];
      const part = writing.subarray(0, bytes);
      const write = onDisk(() => writer.write(part, position));
      // A failure is thrown where it is waited for.
      write.catch(() => undefined);
      pending = { ...pending, write };
      unsyncedBytes += bytes;
      if (unsyncedBytes < SYNC_EVERY_BYTES) return;
      await synced();
      unsyncedBytes = 0;
      const sync = onDisk(() => file.datasync());
      sync.catch(() => undefined);
      pending = { ...pending, sync };
    },
    settle,
    async finish() {
      await settle();
      await synced();
    },
    async close() {
      await settle().catch(() => undefined);
      await synced().catch(() => undefined);
      await writer.close();
    },
  };
}
