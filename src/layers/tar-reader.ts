import { LarderError } from '../lib/errors.ts';
import type { ByteString } from './erofs/index.ts';
import { enforce, type LayerLimits } from './limits.ts';
import { buildEntry, type Extensions, type TarEntry } from './tar-entry.ts';
import { corruptTar, parseHeader, type RawHeader, TAR_BLOCK_BYTES } from './tar-header.ts';
import { type PaxRecords, parsePax, paxInteger, paxSparseMap, SPARSE_MAP } from './tar-pax.ts';
import { checkSparseMap, oldGnuRealSize, readOldGnuMap, SparseMap10, type SparseSegment } from './tar-sparse.ts';

/** Gets what the reader finds, in order and at once. */
export type TarHandler = {
  entry(entry: TarEntry): void;
  /** Data of the last entry: views into what was pushed, valid as long as that is. */
  data(bytes: Buffer): void;
};

const NO_EXTENSIONS: Extensions = { pax: undefined, gnuName: undefined, gnuLink: undefined };
const ZERO_BLOCK = Buffer.alloc(TAR_BLOCK_BYTES);

/**
 * A push parser for ustar, pax, GNU and v7 tars. Synchronous, without copies of file data and without a promise per entry:
 * it must keep up with an inflater that gives 500 MB/s. What is legal is what Go's archive/tar takes, for that is what
 * wrote and reads nearly all layers: an archive may end without its zero blocks, whatever follows them is ignored, and
 * so are global pax headers (containerd and Podman do not apply them either).
 */
export class TarReader {
  readonly #handler: TarHandler;
  readonly #limits: LayerLimits;
  /** Bytes consumed of the tar. */
  #offset = 0;
  /** What the next block is. */
  #state: 'header' | 'special' | 'oldGnuMap' | 'map10' | 'data' | 'padding' | 'end' = 'header';
  /** Bytes of the present data or special member, or of padding, still to come. */
  #remaining = 0;
  #padding = 0;
  /** A block, or a special member, that came in pieces. */
  readonly #block = Buffer.alloc(TAR_BLOCK_BYTES);
  #blockUsed = 0;
  #special: Buffer = ZERO_BLOCK;
  /** For one special member after the other: nothing of it is kept as it lies. */
  #memory = Buffer.alloc(0);
  #specialUsed = 0;
  #specialType = '';
  #sawZeroBlock = false;
  #extensions = NO_EXTENSIONS;
  #entry: TarEntry | undefined;
  #segments: SparseSegment[] = [];
  #map10: SparseMap10 | undefined;
  #mapBytes = 0;
  #extensionBytes = 0;
  #trailingBytes = 0;

  constructor(handler: TarHandler, limits: LayerLimits) {
    this.#handler = handler;
    this.#limits = limits;
  }

  /** Takes the next bytes. Throws `layers.corrupt`, `layers.unsupported` and `layers.limit`. */
  push(chunk: Buffer): void {
    for (let start = 0; start < chunk.length; ) {
      const taken = this.#take(chunk, start);
      start += taken;
      this.#offset += taken;
    }
  }

  /** The tar is at its end. Throws `layers.corrupt` when that is in the middle of something. */
  end(): void {
    const isBetween = this.#state === 'end' || this.#state === 'padding';
    if (!isBetween && (this.#state !== 'header' || this.#blockUsed > 0)) throw corruptTar('a cut', this.#offset);
  }

  #take(chunk: Buffer, start: number): number {
    const available = chunk.length - start;
    switch (this.#state) {
      case 'data':
        return this.#takeData(chunk, start);
      case 'special':
        return this.#takeSpecial(chunk, start);
      case 'padding': {
        const taken = Math.min(this.#padding, available);
        this.#padding -= taken;
        if (this.#padding === 0) this.#state = 'header';
        return taken;
      }
      case 'end':
        this.#trailingBytes += available;
        enforce(this.#limits, 'maxTrailingBytes', this.#trailingBytes);
        return available;
      case 'header':
      case 'oldGnuMap':
      case 'map10':
        break;
    }
    return this.#takeBlock(chunk, start);
  }

  #takeBlock(chunk: Buffer, start: number): number {
    if (this.#blockUsed === 0 && chunk.length - start >= TAR_BLOCK_BYTES) {
      this.#onBlock(chunk.subarray(start, start + TAR_BLOCK_BYTES), this.#offset);
      return TAR_BLOCK_BYTES;
    }
    const taken = chunk.copy(this.#block, this.#blockUsed, start);
    this.#blockUsed += taken;
    if (this.#blockUsed === TAR_BLOCK_BYTES) {
      this.#blockUsed = 0;
      this.#onBlock(this.#block, this.#offset + taken - TAR_BLOCK_BYTES);
    }
    return taken;
  }

  #takeData(chunk: Buffer, start: number): number {
    const taken = Math.min(this.#remaining, chunk.length - start);
    this.#handler.data(chunk.subarray(start, start + taken));
    this.#remaining -= taken;
    if (this.#remaining === 0) this.#pad();
    return taken;
  }

  #takeSpecial(chunk: Buffer, start: number): number {
    const taken = chunk.copy(this.#special, this.#specialUsed, start);
    this.#specialUsed += taken;
    if (this.#specialUsed === this.#special.length) this.#onSpecial(this.#special);
    return taken;
  }

  #onBlock(block: Buffer, offset: number): void {
    if (this.#state === 'oldGnuMap') this.#onOldGnuMap(block, offset, false);
    else if (this.#state === 'map10') this.#onMap10(block);
    else this.#onHeader(block, offset);
  }

  #onHeader(block: Buffer, offset: number): void {
    if (block[0] === 0 && block.equals(ZERO_BLOCK)) {
      if (this.#sawZeroBlock) this.#state = 'end';
      this.#sawZeroBlock = true;
      return;
    }
    if (this.#sawZeroBlock) throw corruptTar('data after a zero block', offset);
    const header = parseHeader(block, offset);
    if (header.size < 0) throw corruptTar('a negative size', offset);
    if ('xgLK'.includes(header.typeFlag)) this.#startSpecial(header);
    else this.#startEntry(header, block, offset);
  }

  #startSpecial(header: RawHeader): void {
    enforce(this.#limits, 'maxHeaderBytes', header.size);
    this.#countExtension(TAR_BLOCK_BYTES + header.size);
    if (this.#memory.length <= header.size) this.#memory = Buffer.allocUnsafeSlow(2 * header.size + TAR_BLOCK_BYTES);
    this.#special = this.#memory.subarray(0, header.size);
    this.#specialUsed = 0;
    this.#specialType = header.typeFlag;
    this.#padding = -header.size & (TAR_BLOCK_BYTES - 1);
    this.#state = 'special';
    if (header.size === 0) this.#onSpecial(this.#special);
  }

  #onSpecial(bytes: Buffer): void {
    const type = this.#specialType;
    if (type === 'x') this.#extensions = { ...this.#extensions, pax: parsePax(bytes, this.#offset, this.#limits) };
    if (type === 'L') this.#extensions = { ...this.#extensions, gnuName: untilNul(bytes) };
    if (type === 'K') this.#extensions = { ...this.#extensions, gnuLink: untilNul(bytes) };
    this.#pad();
  }

  #startEntry(header: RawHeader, block: Buffer, offset: number): void {
    const entry = buildEntry(header, this.#extensions, offset);
    if (!entry) {
      throw new LarderError(
        'layers.unsupported',
        `a tar entry of the unknown type ${JSON.stringify(header.typeFlag)}`,
        {
          facts: { offset },
        },
      );
    }
    const { pax } = this.#extensions;
    this.#extensions = NO_EXTENSIONS;
    this.#entry = entry;
    this.#remaining = entry.size;
    this.#padding = -entry.size & (TAR_BLOCK_BYTES - 1);
    this.#segments = [];
    if (header.typeFlag === 'S') {
      if (!header.isGnu) throw corruptTar('a sparse file that is not in the GNU format', offset);
      entry.size = oldGnuRealSize(block, offset);
      this.#onOldGnuMap(block, offset, true);
    } else if (pax && entry.kind === 'file') {
      this.#startPaxEntry(entry, pax, offset);
    } else {
      this.#begin(entry);
    }
  }

  /** A file with pax records: it may be sparse in GNU's forms 0.0, 0.1 or 1.0. */
  #startPaxEntry(entry: TarEntry, pax: PaxRecords, offset: number): void {
    const version = `${pax.get('GNU.sparse.major') ?? ''}.${pax.get('GNU.sparse.minor') ?? ''}`;
    const isInHeader = version === '0.0' || version === '0.1' || (version === '.' && pax.has(SPARSE_MAP));
    if (!isInHeader && version !== '1.0') {
      this.#begin(entry);
      return;
    }
    entry.path = pax.get('GNU.sparse.name') || entry.path;
    const size = pax.get('GNU.sparse.size') || pax.get('GNU.sparse.realsize');
    if (size) entry.size = paxInteger(size, offset);
    if (isInHeader) {
      this.#segments = paxSparseMap(pax, offset);
      this.#beginSparse(entry);
    } else {
      this.#mapBytes = 0;
      this.#map10 = new SparseMap10(offset);
      this.#state = 'map10';
    }
  }

  #countExtension(bytes: number): void {
    this.#extensionBytes += bytes;
    enforce(this.#limits, 'maxExtensionBytes', this.#extensionBytes);
  }

  #onOldGnuMap(block: Buffer, offset: number, isHeader: boolean): void {
    this.#countExtension(TAR_BLOCK_BYTES);
    const hasMore = readOldGnuMap(block, { isHeader, segments: this.#segments, offset });
    enforce(this.#limits, 'maxHeaderBytes', this.#segments.length * 24);
    if (hasMore) this.#state = 'oldGnuMap';
    else if (this.#entry) this.#beginSparse(this.#entry);
  }

  #onMap10(block: Buffer): void {
    const entry = this.#entry;
    if (!entry) return;
    this.#remaining -= TAR_BLOCK_BYTES;
    this.#mapBytes += TAR_BLOCK_BYTES;
    this.#countExtension(TAR_BLOCK_BYTES);
    enforce(this.#limits, 'maxHeaderBytes', this.#mapBytes);
    if (this.#remaining < 0) throw corruptTar('a broken sparse map', entry.offset);
    const segments = this.#map10?.push(block);
    if (!segments) return;
    this.#segments = segments;
    this.#map10 = undefined;
    this.#beginSparse(entry);
  }

  #beginSparse(entry: TarEntry): void {
    const { size, offset } = entry;
    entry.sparse = checkSparseMap(this.#segments, { size, storedBytes: this.#remaining, offset });
    this.#begin(entry);
  }

  #begin(entry: TarEntry): void {
    this.#handler.entry(entry);
    if (this.#remaining > 0) this.#state = 'data';
    else this.#pad();
  }

  #pad(): void {
    this.#state = this.#padding > 0 ? 'padding' : 'header';
  }
}

function untilNul(bytes: Buffer): ByteString {
  const end = bytes.indexOf(0);
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
}
