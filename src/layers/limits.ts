import { LarderError } from '../lib/errors.ts';
import { NAME_MAX_BYTES, XATTR_MAX_VALUE_BYTES } from './erofs/index.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** What one layer may ask for. A layer that asks for more fails with `layers.limit`, naming the limit. */
export type LayerLimits = {
  /** As the registry keeps it. */
  maxCompressedBytes: number;
  /** Of the tar; the caller sets what its quota leaves. */
  maxTarBytes: number;
  /** Tar bytes per compressed byte, once the tar is larger than `ratioFloorBytes`. Deflate can't exceed 1032. */
  maxRatio: number;
  ratioFloorBytes: number;
  /** What the zstd decoder keeps to look back at. Encoders of images go up to 32 MiB; `zstd --ultra -22` asks for 128. */
  maxWindowBytes: number;
  /** Frames of zstd, each of which costs a tenth of a millisecond; zstd:chunked makes one for each file. */
  maxFrames: number;
  /** Tar entries, and directories that are made for those without one. With 150 bytes of memory each, half a million take 75 MB. */
  maxEntries: number;
  /** Directories among them; each takes 500 bytes of memory. */
  maxDirectories: number;
  /** Directories above one another. */
  maxDepth: number;
  /** Names looked up for all entries together; symlinks to symlinks multiply them. */
  maxLookups: number;
  /** Names looked up in the layers below, by links to their files and for directories that the tar doesn't name. */
  maxLowerLookups: number;
  /** Linux PATH_MAX, of names and link targets. */
  maxPathBytes: number;
  /** Linux NAME_MAX. */
  maxNameBytes: number;
  /**
   * Symlinks on the way to one entry, in its layer or in those below, and symlinks of lower layers where a layer has entries.
   * path_resolution(7) stops at 40, umoci's securejoin at 255.
   */
  maxSymlinks: number;
  maxXattrs: number;
  /** Names and values of one entry's extended attributes. */
  maxXattrBytes: number;
  /** One value; EROFS can't keep more. */
  maxXattrValueBytes: number;
  /** One pax header, GNU long name or sparse map. Go's archive/tar stops at the same size. */
  maxHeaderBytes: number;
  /** Of one pax header. Attributes are at most `maxXattrs`, each of the others is there once; old sparse maps take more. */
  maxPaxRecords: number;
  /** All pax headers, long names and sparse maps together, a block at least each: reading them is the slowest of all. */
  maxExtensionBytes: number;
  /** What follows the end of the tar and is ignored; writers fill up a record of 10 KiB, or a tape's. */
  maxTrailingBytes: number;
  /** Names, link targets, extended attributes and sparse maps of all entries: what is kept in memory beside the inodes. */
  maxMetadataBytes: number;
  /** Size that one file may claim. */
  maxFileBytes: number;
  /** Zeros and indexes that sparse files cost the blob beyond their data. */
  maxSparseOverheadBytes: number;
};

export const DEFAULT_LAYER_LIMITS: LayerLimits = {
  maxCompressedBytes: 64 * GIB,
  maxTarBytes: 128 * GIB,
  maxRatio: 1100,
  ratioFloorBytes: GIB,
  maxWindowBytes: 64 * MIB,
  maxFrames: 200_000,
  maxEntries: 500_000,
  maxDirectories: 150_000,
  maxDepth: 512,
  maxLookups: 32_000_000,
  maxLowerLookups: 1_000_000,
  maxPathBytes: 4096,
  maxNameBytes: NAME_MAX_BYTES,
  maxSymlinks: 255,
  maxXattrs: 128,
  maxXattrBytes: 128 * KIB,
  maxXattrValueBytes: XATTR_MAX_VALUE_BYTES,
  maxHeaderBytes: MIB,
  maxPaxRecords: 10_000,
  maxExtensionBytes: 512 * MIB,
  maxTrailingBytes: 64 * MIB,
  maxMetadataBytes: 64 * MIB,
  maxFileBytes: 16 * 1024 * GIB,
  maxSparseOverheadBytes: 64 * MIB,
};

/** Throws `layers.limit` when the value is above the limit. */
export function enforce(limits: LayerLimits, name: keyof LayerLimits, value: number): void {
  const limit = limits[name];
  if (value <= limit) return;
  throw new LarderError('layers.limit', `the layer exceeds the limit ${name}: ${value} is more than ${limit}`, {
    facts: { limit: name, max: limit, value },
  });
}
