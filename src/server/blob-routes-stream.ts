import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';

/** Read and handed to the kernel at a time; all of this process's memory that a reader takes, however slow it is. */
export const CHUNK_BYTES = 256 * 1024;

export type SendOptions = {
  readonly from: number;
  readonly end: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallMs: number;
  readonly onBytes?: (bytes: number) => void;
};

/**
 * Writes bytes of a file to a response whose head was written, at the pace of the reader: one buffer, filled anew only once
 * the kernel has taken it. Ends the response, or destroys it: when the reader stalls or is gone, or the file is shorter.
 */
export async function sendFileBytes(file: FileHandle, response: ServerResponse, options: SendOptions): Promise<void> {
  const { from, end, stallMs, onBytes } = options;
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - from));
  const stalled = setTimeout(() => response.destroy(), stallMs);
  try {
    for (let at = from; at < end; ) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
      // The length was promised: a reader must see that something is missing.
      if (bytesRead === 0 || response.destroyed) return void response.destroy();
      stalled.refresh();
      if (!(await write(response, buffer.subarray(0, bytesRead)))) return;
      at += bytesRead;
      onBytes?.(bytesRead);
    }
    response.end();
  } catch {
    response.destroy();
  } finally {
    clearTimeout(stalled);
  }
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
