import { join } from 'node:path';
import { type Digest, digestOfHex, hexOf, isDigest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';

/** What begins like this is half-written: nobody reads it, and the next start removes it. */
export const TEMPORARY_PREFIX = '.tmp-';
const SNAPSHOT_ID = /^s-[0-9a-z]{20}$/;
const BLOB_FILE = /^([0-9a-f]{64})\.erofs$/;
const SNAPSHOT_FILE = /^(s-[0-9a-z]{20})\.json$/;

/**
 * Where things lie below the blob folder. `layers` has the form that containerd's EROFS snapshotter expects of its
 * `layer_content_caches`, so it may read the store directly:
 *
 *     layers/sha256/<first two hex digits>/<64 hex digits of the diffID>.erofs
 *     snapshots/<snapshot id>.json
 *
 * A temporary file is made in the folder where it will be renamed; a layer's folder is not known before its diffID is
 * verified, so layers begin in `layers/sha256`, on the same file system.
 */
export function createLayout(directory: string) {
  const blobs = join(directory, 'layers', 'sha256');
  const snapshots = join(directory, 'snapshots');
  return {
    blobs,
    snapshots,
    blobFile(diffId: Digest): string {
      if (!isDigest(diffId)) throw new LarderError('blobs.invalid-id', 'not the diffID of a layer');
      const hex = hexOf(diffId);
      return join(blobs, hex.slice(0, 2), `${hex}.erofs`);
    },
    snapshotFile(id: string): string {
      // Ids come from requests and manifests; this check is what keeps them from being paths.
      if (!SNAPSHOT_ID.test(id)) throw new LarderError('blobs.invalid-id', 'not a snapshot id');
      return join(snapshots, `${id}.json`);
    },
  };
}
export type Layout = ReturnType<typeof createLayout>;

/** The diffID of a blob's file name; undefined for any other file. */
export function diffIdOfFile(name: string): Digest | undefined {
  const hex = BLOB_FILE.exec(name)?.[1];
  return hex === undefined ? undefined : digestOfHex(hex);
}

export function snapshotIdOfFile(name: string): string | undefined {
  return SNAPSHOT_FILE.exec(name)?.[1];
}
