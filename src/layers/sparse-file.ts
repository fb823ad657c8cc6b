import type { BlobWriter } from './blob-writer.ts';
import { BLOCK_BYTES, type ChunkMap } from './erofs/index.ts';
import type { SparseSegment } from './tar-sparse.ts';

/** log2 of the largest chunk / block: five bits in the format. */
const MAX_CHUNK_BITS = 31;
const INDEX_BYTES = 8;

export type SparseLayout = {
  data: number | ChunkMap;
  /** Parts of the file that lie in the blob, as byte ranges. */
  ranges: { start: number; end: number }[];
  /** Bytes of the blob and the metadata beyond the file's own data. */
  overheadBytes: number;
};

/**
 * Chooses how a file with holes lies in the blob, from block `firstBlock` on: small chunks store little beside the data but
 * need an index entry each, large chunks the other way round; the map of a sparse file comes before its data, so the
 * cheapest size can be computed.
 */
export function layOutSparse(segments: readonly SparseSegment[], size: number, firstBlock: number): SparseLayout {
  const dataBytes = segments.reduce((bytes, { length }) => bytes + length, 0);
  const fileEnd = Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  let best = { chunkBits: 0, cost: Number.POSITIVE_INFINITY };
  for (let chunkBits = 0; chunkBits <= MAX_CHUNK_BITS; chunkBits++) {
    const chunkBytes = BLOCK_BYTES * 2 ** chunkBits;
    let cost = Math.ceil(size / chunkBytes) * INDEX_BYTES;
    for (const { start, end } of touchedRanges(segments, chunkBytes, fileEnd)) cost += end - start;
    if (cost < best.cost) best = { chunkBits, cost };
    if (chunkBytes >= size) break;
  }
  const { chunkBits } = best;
  const chunkBytes = BLOCK_BYTES * 2 ** chunkBits;
  const ranges = touchedRanges(segments, chunkBytes, fileEnd);
  const runs: ChunkMap['runs'] = [];
  let block = firstBlock;
  for (const { start, end } of ranges) {
    runs.push({ firstChunk: start / chunkBytes, count: Math.ceil((end - start) / chunkBytes), firstBlock: block });
    block += (end - start) / BLOCK_BYTES;
  }
  return { data: { chunkBits, runs }, ranges, overheadBytes: best.cost - dataBytes };
}

/** The chunks that hold data, neighbours joined; the last ends with the file's last block. */
function touchedRanges(
  segments: readonly SparseSegment[],
  chunkBytes: number,
  fileEnd: number,
): SparseLayout['ranges'] {
  const ranges: SparseLayout['ranges'] = [];
  for (const { offset, length } of segments) {
    const start = Math.floor(offset / chunkBytes) * chunkBytes;
    const end = Math.min(Math.ceil((offset + length) / chunkBytes) * chunkBytes, fileEnd);
    const last = ranges.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else ranges.push({ start, end });
  }
  return ranges;
}

/** Puts the data of a sparse file, as the tar has it, where its layout says, with zeros between. */
export class SparseFileWriter {
  readonly #writer: BlobWriter;
  readonly #segments: readonly SparseSegment[];
  readonly #ranges: SparseLayout['ranges'];
  #segment = 0;
  #range = 0;
  #inSegment = 0;
  #cursor: number;

  constructor(writer: BlobWriter, segments: readonly SparseSegment[], ranges: SparseLayout['ranges']) {
    this.#writer = writer;
    this.#segments = segments;
    this.#ranges = ranges;
    this.#cursor = ranges[0]?.start ?? 0;
  }

  append(bytes: Buffer): void {
    for (let start = 0; start < bytes.length; ) {
      const segment = this.#segments[this.#segment];
      if (!segment) return;
      if (this.#inSegment === 0) this.#zeroTo(segment.offset);
      const length = Math.min(segment.length - this.#inSegment, bytes.length - start);
      this.#writer.append(bytes.subarray(start, start + length));
      this.#cursor += length;
      this.#inSegment += length;
      start += length;
      if (this.#inSegment < segment.length) continue;
      this.#segment++;
      this.#inSegment = 0;
      if (this.#segment === this.#segments.length) this.#zeroTo(this.#ranges.at(-1)?.end ?? 0);
    }
  }

  #zeroTo(offset: number): void {
    for (let range = this.#ranges[this.#range]; range; range = this.#ranges[this.#range]) {
      const end = Math.min(range.end, Math.max(offset, this.#cursor));
      this.#writer.appendZeros(end - this.#cursor);
      this.#cursor = end;
      if (offset <= range.end) {
        if (offset < range.end || this.#range === this.#ranges.length - 1) return;
      }
      this.#range++;
      this.#cursor = this.#ranges[this.#range]?.start ?? this.#cursor;
    }
  }
}
