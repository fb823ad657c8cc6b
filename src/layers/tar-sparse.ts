import { corruptTar, TAR_BLOCK_BYTES, tarNumber } from './tar-header.ts';

/** A piece of a sparse file that has data; the rest of the file reads as zeros. */
export type SparseSegment = { offset: number; length: number };

/** Old GNU format (type `S`): where the header, and where a continuation block keep their maps. */
const IN_HEADER = { start: 386, count: 4, extended: 482 };
const IN_EXTENSION = { start: 0, count: 21, extended: 504 };
const REAL_SIZE = 483;
/** Numbers below 10^15 are exact. */
const MAX_DIGITS = 15;

/** Appends the segments of an old GNU header or continuation block; true when another continuation follows. */
export function readOldGnuMap(
  block: Buffer,
  options: { isHeader: boolean; segments: SparseSegment[]; offset: number },
): boolean {
  const { isHeader, segments, offset } = options;
  const { start, count, extended } = isHeader ? IN_HEADER : IN_EXTENSION;
  for (let index = 0; index < count; index++) {
    const entry = start + index * 24;
    if (block[entry] === 0) break;
    segments.push({ offset: tarNumber(block, entry, 12, offset), length: tarNumber(block, entry + 12, 12, offset) });
  }
  return (block[extended] ?? 0) > 0;
}

export function oldGnuRealSize(header: Buffer, offset: number): number {
  return tarNumber(header, REAL_SIZE, 12, offset);
}

/**
 * GNU sparse 1.0 keeps the map in front of the data: decimal lines, the count first, padded to a whole block.
 * Takes the blocks one by one; each is looked at once.
 */
export class SparseMap10 {
  readonly #numbers: number[] = [];
  readonly #offset: number;
  #digits = 0;
  #number = 0;

  constructor(offset: number) {
    this.#offset = offset;
  }

  /** The segments when this block ends the map, else undefined. */
  push(block: Buffer): SparseSegment[] | undefined {
    for (let index = 0; index < TAR_BLOCK_BYTES && !this.#isComplete(); index++) {
      const byte = block[index] ?? 0;
      if (byte === 0x0a ? this.#digits === 0 : byte < 0x30 || byte > 0x39 || this.#digits === MAX_DIGITS) {
        throw corruptTar('a broken sparse map', this.#offset);
      }
      if (byte === 0x0a) {
        this.#numbers.push(this.#number);
        this.#digits = 0;
        this.#number = 0;
      } else {
        this.#number = this.#number * 10 + byte - 0x30;
        this.#digits++;
      }
    }
    return this.#isComplete() ? pairUp(this.#numbers.slice(1)) : undefined;
  }

  #isComplete(): boolean {
    const [count] = this.#numbers;
    return count !== undefined && this.#numbers.length === 1 + 2 * count;
  }
}

export function pairUp(numbers: readonly number[]): SparseSegment[] {
  const segments: SparseSegment[] = [];
  for (let index = 0; index + 1 < numbers.length; index += 2) {
    segments.push({ offset: numbers[index] ?? 0, length: numbers[index + 1] ?? 0 });
  }
  return segments;
}

/**
 * Checks a map against the file's size and the bytes stored for it, and drops empty segments.
 * They must be in order, apart or adjacent, within the file (Go's validateSparseEntries), and account for every stored byte.
 */
export function checkSparseMap(
  segments: readonly SparseSegment[],
  options: { size: number; storedBytes: number; offset: number },
): SparseSegment[] {
  const { size, storedBytes, offset } = options;
  if (size < 0) throw corruptTar('a negative size', offset);
  let end = 0;
  let stored = 0;
  for (const segment of segments) {
    if (segment.offset < end || segment.length < 0 || segment.offset + segment.length > size) {
      throw corruptTar('a sparse map that contradicts the size', offset);
    }
    end = segment.offset + segment.length;
    stored += segment.length;
  }
  if (stored !== storedBytes) throw corruptTar('a sparse map that contradicts the data', offset);
  return segments.filter((segment) => segment.length > 0);
}
