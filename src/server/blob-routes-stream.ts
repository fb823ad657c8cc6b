import type { FileHandle } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';

/** Read and handed to the kernel at a time, and all of this process's memory that a slow reader takes. */
const SMALL_BYTES = 32 * 1024;
/** The same for a reader that keeps up: in such parts a gigabyte costs a third of the processor's time. */
const LARGE_BYTES = 256 * 1024;
/** So many readers have a large buffer at a time, 16 MiB in all. */
const MAX_LARGE = 64;
/** Whoever takes less is slow. */
const SLOW_BYTES_PER_MS = 256;

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
export type SendFileBytes = (file: FileHandle, response: ServerResponse, options: SendOptions) => Promise<void>;

/** All that one of these sends shares the large buffers. */
export function createFileSender(): SendFileBytes {
  let large = 0;

  /** What the next part is read into: a reader that keeps up gets a large buffer while there are any, a slow one gives it up. */
  function nextBuffer(buffer: Buffer, keepsUp: boolean): Buffer {
    const isLarge = buffer.length === LARGE_BYTES;
    if (keepsUp === isLarge || (keepsUp && large === MAX_LARGE)) return buffer;
    large += keepsUp ? 1 : -1;
    return Buffer.allocUnsafeSlow(keepsUp ? LARGE_BYTES : SMALL_BYTES);
  }

  return async (file, response, { from, end, stallMs, onBytes }) => {
    let buffer: Buffer = Buffer.allocUnsafeSlow(SMALL_BYTES);
    const stalled = setTimeout(() => response.destroy(), stallMs);
    try {
      for (let at = from; at < end; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
        // The length was promised: a reader must see that something is missing.
        if (bytesRead === 0 || response.destroyed) return void response.destroy();
        stalled.refresh();
        const startMs = performance.now();
        if (!(await write(response, buffer.subarray(0, bytesRead)))) return;
        const keepsUp = bytesRead >= SLOW_BYTES_PER_MS * (performance.now() - startMs);
        at += bytesRead;
        onBytes?.(bytesRead);
        buffer = nextBuffer(buffer, keepsUp);
      }
      response.end();
    } catch {
      response.destroy();
    } finally {
      clearTimeout(stalled);
      if (buffer.length === LARGE_BYTES) large--;
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
