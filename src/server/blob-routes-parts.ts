import type { FileHandle } from 'node:fs/promises';
import { type DirectFile, openDirect } from '../blobs/index.ts';
import { PIECE_BYTES } from '../lib/piece-digest.ts';
import { createBoundedMap } from './bounded-map.ts';

/** Read and handed to the kernel at a time, and all of this process's memory that a slow reader takes. */
const SMALL_BYTES = 32 * 1024;
/** The same for a reader that keeps up: in such parts a gigabyte costs a third of the processor's time. */
const LARGE_BYTES = 256 * 1024;
/** So many readers have a large buffer at a time, 16 MiB in all. */
const MAX_LARGE = 64;
/** So many files are read past the page cache at a time, by pieces of 1 MiB, of which each has two in memory. */
const MAX_DIRECT = 8;
/** Files that are known to have been sent lately, about a hundred bytes each. */
const MAX_REMEMBERED = 4096;

/** Reads a file in parts, each valid until the next one. */
export type PartReader = {
  /** The bytes from `at` on, up to `end` at the most; none where the file has none. `keepsUp`: whether the last part was taken fast. */
  read(at: number, end: number, keepsUp: boolean): Promise<Uint8Array>;
  close(): Promise<void>;
};

/**
 * All that one of these opens share buffers and memory. `name` says which files are the same.
 *
 * A file that was not sent lately is read past the page cache: what is wanted once pushes nothing out there, and a new page of
 * the cache can cost a virtual machine more than all the rest of sending it (a third of the CPU time of a fresh node in
 * bench/start.ts, where memory goes back to the host when it is free). From the second time on the cache gives it to everybody.
 */
export function createPartReaders(): (file: FileHandle, name: string) => PartReader {
  const sent = createBoundedMap<true>(MAX_REMEMBERED);
  let [large, direct] = [0, 0];

  /** What the next part is read into: a reader that keeps up gets a large buffer while there are any, a slow one gives it up. */
  function nextBuffer(buffer: Buffer, keepsUp: boolean): Buffer {
    const isLarge = buffer.length === LARGE_BYTES;
    if (keepsUp === isLarge || (keepsUp && large === MAX_LARGE)) return buffer;
    large += keepsUp ? 1 : -1;
    return Buffer.allocUnsafeSlow(keepsUp ? LARGE_BYTES : SMALL_BYTES);
  }

  /** The same file once more, whatever lies under its name by now. Undefined where it can't be had so. */
  async function openAgain(file: FileHandle): Promise<DirectFile | undefined> {
    direct++;
    try {
      return await openDirect(`/proc/self/fd/${file.fd}`);
    } catch {
      direct--;
      return undefined;
    }
  }

  return (file, name) => {
    let mayBeDirect = sent.get(name) === undefined;
    sent.set(name, true);
    let buffer: Buffer = Buffer.allocUnsafeSlow(SMALL_BYTES);
    let uncached: DirectFile | undefined;
    let piece: { readonly index: number; readonly bytes: Uint8Array } | undefined;

    async function uncachedFile(): Promise<DirectFile | undefined> {
      if (uncached || !mayBeDirect || direct === MAX_DIRECT) return uncached;
      uncached = await openAgain(file);
      mayBeDirect = uncached !== undefined;
      return uncached;
    }

    return {
      async read(at, end, keepsUp) {
        const [index, inPiece] = [Math.floor(at / PIECE_BYTES), at % PIECE_BYTES];
        if (keepsUp && inPiece === 0) {
          const whole = await uncachedFile();
          piece = whole && { index, bytes: await whole.readPiece(index) };
        }
        if (piece?.index === index) {
          return piece.bytes.subarray(inPiece, inPiece + Math.min(LARGE_BYTES, end - at));
        }
        buffer = nextBuffer(buffer, keepsUp);
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at, PIECE_BYTES - inPiece), at);
        return buffer.subarray(0, bytesRead);
      },
      async close() {
        if (buffer.length === LARGE_BYTES) large--;
        if (uncached === undefined) return;
        direct--;
        await uncached.handle.close();
      },
    };
  };
}
