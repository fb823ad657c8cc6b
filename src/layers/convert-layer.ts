import { createHash } from 'node:crypto';
import { type Digest, digestOfHex, hexOf } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { type Hashing, hashHere } from '../lib/hashing.ts';
import { BlobWriter, type LayerSink } from './blob-writer.ts';
import { createDecompressor } from './decompress.ts';
import type { Compression, Decompressor } from './decompressor.ts';
import {
  BLOCK_BYTES,
  type ByteString,
  type ErofsSummary,
  type FileTree,
  IMPLICIT_ROOT,
  writeErofs,
} from './erofs/index.ts';
import { FileDataWriter } from './file-data.ts';
import { LayerBuilder } from './layer-builder.ts';
import { LayerTree } from './layer-tree.ts';
import { DEFAULT_LAYER_LIMITS, enforce, type LayerLimits } from './limits.ts';
import { type LowerLookup, missingLink, resolveLower } from './lower.ts';
import { PackedInodes } from './packed-inodes.ts';
import { giveRing, type SharedRing, takeRing } from './shared-ring.ts';
import { TarReader } from './tar-reader.ts';

export type ConvertLayerOptions = {
  /** As the layer's media type says. */
  compression: Compression;
  /** Of the compressed bytes, from the manifest. */
  expectedDigest: Digest;
  /** Of the tar, from the image's config. */
  expectedDiffId: Digest;
  /** Of the compressed bytes, from the manifest. */
  expectedBytes?: number;
  sink: LayerSink;
  limits?: Partial<LayerLimits>;
  decompressor?: Decompressor;
  /** Where the digests of the tar and of the blob are made; the caller's thread when left out. */
  hashing?: Hashing;
  /**
   * The layers below. Without it, a hard link to a file of theirs fails with `layers.link-outside-layer`, and directories that
   * the tar doesn't name get a default owner and mode. With it, the blob may depend on more than its diffID; see `usedLower`.
   */
  lower?: LowerLookup;
  /** Called once the tree takes much memory, and waited for: the caller decides how many such layers are converted at once. */
  onLarge?: () => Promise<void>;
  signal?: AbortSignal;
};

export type ConvertedLayer = {
  digest: Digest;
  diffId: Digest;
  compressedBytes: number;
  tarBytes: number;
  /** Of the EROFS file: all was written to the sink up to here. */
  blobBytes: number;
  /** Its tree digest (lib/piece-digest.ts). */
  blobDigest: Digest;
  /** Sum of the sizes of regular files, hard links once. */
  contentBytes: number;
  /** Entries of the tar. */
  entries: number;
  /**
   * Directories that the tar doesn't name (bytes as latin1, '' is the root). In an overlay they show this layer's owner, mode
   * and mtime, where unpackers keep the lower layer's.
   */
  implicitDirectories: ByteString[];
  /** The tar hides all that is below the root, for which overlayfs has no mark: stack nothing below this layer. */
  isRootOpaque: boolean;
  /** `lower` was asked: the blob must not be stored under the diffID alone. */
  usedLower: boolean;
};

/**
 * Turns one layer into an EROFS file in a single pass: compressed bytes → sha256 → inflate → sha256 → tar → files' data
 * to the sink as it comes, then the metadata, and block 0 last. Same layer, same bytes, whatever inflates it. Memory is
 * bounded by the tree, never by files.
 *
 * Three work at once: the inflater, the hashing, and the caller's thread, which reads the tar and writes the blob.
 *
 * Each chunk of the source has to be valid until the next is asked for, and the source has to end by itself on the same signal. The caller commits the sink when this resolved, and throws it away
 * otherwise. Throws `layers.digest-mismatch`, `layers.diffid-mismatch`, `layers.size-mismatch`, `layers.corrupt`, `layers.limit`, `layers.unsupported`,
 * `layers.invalid-entry`, `layers.link-outside-layer`, and what the source or the sink throw.
 */
export async function convertLayer(
  source: AsyncIterable<Uint8Array>,
  options: ConvertLayerOptions,
): Promise<ConvertedLayer> {
  const { sink, signal, expectedDiffId, lower, hashing = hashHere } = options;
  const limits = { ...DEFAULT_LAYER_LIMITS, ...options.limits };
  // Block 0 is the superblock's.
  const writer = new BlobWriter(sink, BLOCK_BYTES, hashing);
  using tree = new LayerTree(limits);
  const packed = new PackedInodes(sink);
  const files = new FileDataWriter(writer, packed);
  const builder = new LayerBuilder({ tree, writer, files, limits });
  try {
    const read = await readTar(source, { ...options, limits, builder, files, hashing });
    const implicit = await tree.implicitDirectories();
    const [link] = tree.lowerLinks();
    const hasImplicitRoot = implicit.some(({ directory }) => directory === tree.root);
    if (lower) await resolveLower({ tree, lookup: lower, files });
    else if (link) throw missingLink(link);
    await tree.finish();
    const uuid = uuidOf(expectedDiffId);
    const summary = await writeTree(tree.files, {
      writer,
      packed,
      uuid,
      volumeName: hasImplicitRoot && !lower ? IMPLICIT_ROOT : '',
      signal,
    });
    return {
      ...read,
      blobBytes: summary.blobBytes,
      blobDigest: writer.digest(summary.blobBytes),
      contentBytes: summary.contentBytes,
      entries: builder.entries,
      implicitDirectories: implicit.map(({ path }) => path),
      isRootOpaque: tree.isRootOpaque,
      usedLower: lower !== undefined && (link !== undefined || implicit.length > 0),
    };
  } finally {
    await Promise.all([writer.close(), packed.close()]);
  }
}

async function readTar(
  source: AsyncIterable<Uint8Array>,
  options: ConvertLayerOptions & {
    limits: LayerLimits;
    builder: LayerBuilder;
    files: FileDataWriter;
    hashing: Hashing;
  },
): Promise<{ digest: Digest; diffId: Digest; compressedBytes: number; tarBytes: number }> {
  const { compression, signal, limits, builder, files, expectedBytes, hashing } = options;
  const decompress = options.decompressor ?? createDecompressor();
  const reader = new TarReader(builder, limits);
  const hash = createHash('sha256');
  let compressedBytes = 0;
  if (expectedBytes !== undefined) enforce(limits, 'maxCompressedBytes', expectedBytes);
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      signal?.throwIfAborted();
      hash.update(chunk);
      compressedBytes += chunk.length;
      if (expectedBytes !== undefined && compressedBytes > expectedBytes)
        throw sizeMismatch(expectedBytes, compressedBytes);
      enforce(limits, 'maxCompressedBytes', compressedBytes);
      yield chunk;
    }
  }
  const tarHash = hashing.stream();
  let taken: SharedRing | undefined;
  const ring = () => (taken ??= takeRing());
  let tarBytes = 0;
  let isLarge = false;
  try {
    for await (const chunk of decompress(compression, hashed(), { signal, ring })) {
      signal?.throwIfAborted();
      tarBytes += chunk.length;
      enforce(limits, 'maxTarBytes', tarBytes);
      if (tarBytes > limits.ratioFloorBytes) enforce(limits, 'maxRatio', tarBytes / compressedBytes);
      await tarHash.update(chunk);
      reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      if (files.isFull) await files.flush();
      if (isLarge || !builder.isLarge) continue;
      isLarge = true;
      await options.onLarge?.();
    }
    signal?.throwIfAborted();
    if (expectedBytes !== undefined && compressedBytes !== expectedBytes)
      throw sizeMismatch(expectedBytes, compressedBytes);
    const digest = digestOfHex(hash.digest('hex'));
    if (digest !== options.expectedDigest) throw mismatch('digest', options.expectedDigest, digest);
    const diffId = digestOfHex(await tarHash.digest());
    if (diffId !== options.expectedDiffId) throw mismatch('diffid', options.expectedDiffId, diffId);
    reader.end();
    return { digest, diffId, compressedBytes, tarBytes };
  } finally {
    await tarHash.close();
    if (taken) giveRing(taken);
  }
}

async function writeTree(
  tree: FileTree,
  options: {
    writer: BlobWriter;
    packed: PackedInodes;
    uuid: Uint8Array;
    volumeName: string;
    signal: AbortSignal | undefined;
  },
): Promise<ErofsSummary> {
  const { writer, packed, uuid, volumeName, signal } = options;
  writer.align(BLOCK_BYTES);
  const sections = writeErofs(tree, { startBlock: writer.position / BLOCK_BYTES, uuid, volumeName, packed });
  for (;;) {
    const { done, value } = await sections.next();
    if (done) {
      await writer.finish();
      return value;
    }
    signal?.throwIfAborted();
    // Block 0 makes it a file system: all else is there by then.
    if (value.position === 0) await writer.finish();
    writer.appendAt(value.position, value.bytes);
    if (writer.isFull) await writer.flush();
  }
}

/** A UUID of the free form, version 8 (RFC 9562), from the diffID: nothing random may be in a blob. */
function uuidOf(diffId: Digest): Uint8Array {
  const uuid = Buffer.from(hexOf(diffId).slice(0, 32), 'hex');
  uuid[6] = 0x80 | ((uuid[6] ?? 0) & 0x0f);
  uuid[8] = 0x80 | ((uuid[8] ?? 0) & 0x3f);
  return uuid;
}

function mismatch(kind: 'digest' | 'diffid', expected: Digest, actual: Digest): LarderError {
  const what = kind === 'digest' ? 'digest' : 'diffID';
  return new LarderError(`layers.${kind}-mismatch`, `the layer's ${what} is ${actual}, expected ${expected}`, {
    facts: { expected, actual },
  });
}

function sizeMismatch(expected: number, actual: number): LarderError {
  return new LarderError('layers.size-mismatch', `the layer has ${actual} bytes or more, expected ${expected}`, {
    facts: { expected, actual },
  });
}
