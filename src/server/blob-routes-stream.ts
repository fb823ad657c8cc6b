import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { createPartReaders } from './blob-routes-parts.ts';

/** Whoever takes less is slow. */
const SLOW_BYTES_PER_MS = 256;

export type SendOptions = {
  /** The same for all that is sent of the same file. */
  readonly name: string;
  readonly from: number;
  readonly end: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallMs: number;
  readonly onBytes?: (bytes: number) => void;
};

/**
 * Writes bytes of a file to a response whose head was written, at the pace of the reader: one part after the other, read only
 * once the kernel has taken the last. Ends the response, or destroys it: when the reader stalls or is gone, or the file is shorter.
 */
export type SendFileBytes = (file: FileHandle, response: ServerResponse, options: SendOptions) => Promise<void>;

/** All that one of these sends shares the large buffers. */
export function createFileSender(): SendFileBytes {
  const openParts = createPartReaders();
  return async (file, response, { name, from, end, stallMs, onBytes }) => {
    const parts = openParts(file, name);
    const stalled = setTimeout(() => response.destroy(), stallMs);
    let keepsUp = false;
    try {
      for (let at = from; at < end; ) {
        const part = await parts.read(at, end, keepsUp);
        // The length was promised: a reader must see that something is missing.
        if (part.length === 0 || response.destroyed) return void response.destroy();
        stalled.refresh();
        const startMs = performance.now();
        if (!(await write(response, part))) return;
        keepsUp = part.length >= SLOW_BYTES_PER_MS * (performance.now() - startMs);
        at += part.length;
        onBytes?.(part.length);
      }
      response.end();
    } catch {
      response.destroy();
    } finally {
      clearTimeout(stalled);
      await parts.close();
    }
  };
}

/** True once the kernel has taken the bytes; false when the reader is gone. */
function write(response: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = () => resolve(false);
    response.once('close', gone);
    response.write(bytes, (error) => {
      response.off('close', gone);
      resolve(!error);
    });
  });
}
