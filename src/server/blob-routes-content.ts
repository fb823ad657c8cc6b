import { hash } from 'node:crypto';
import type { DiskBlobs } from '../blobs/index.ts';
import { parseSnapshot } from '../caches/index.ts';
import type { Digest } from '../lib/digest.ts';
import { createBoundedMap } from './bounded-map.ts';

/** Manifests whose list of blobs is kept in memory; one of 20 images with 100 layers takes 300 kB. */
const MAX_REMEMBERED_MANIFESTS = 128;

export type NamedBlob = { readonly bytes: number; readonly blobDigest: Digest | undefined };
type SnapshotContent = ReadonlyMap<Digest, NamedBlob>;

/**
 * Reads which blobs a snapshot names, by key. Undefined where there is none. The manifest is read at every call, for a rebuild
 * may write it anew; what is remembered by its digest is what it says. Throws `caches.snapshot-unreadable`.
 */
export function createSnapshotContents(
  blobs: Pick<DiskBlobs, 'getSnapshot'>,
): (snapshotId: string) => Promise<SnapshotContent | undefined> {
  const known = createBoundedMap<SnapshotContent>(MAX_REMEMBERED_MANIFESTS);
  return async (snapshotId) => {
    const text = await blobs.getSnapshot(snapshotId);
    if (text === undefined) return undefined;
    const digest = hash('sha256', text, 'hex');
    const remembered = known.get(digest);
    if (remembered) return remembered;
    const content = new Map<Digest, NamedBlob>();
    for (const { layers } of parseSnapshot(snapshotId, text).images) {
      for (const { blob, blobDigest, blobBytes } of layers) content.set(blob, { bytes: blobBytes, blobDigest });
    }
    known.set(digest, content);
    return content;
  };
}
