import type { Snapshot } from '../../caches/index.ts';
import type { Digest } from '../../lib/digest.ts';
import { LarderError } from '../../lib/errors.ts';

/** A blob that a snapshot needs. */
export type WantedBlob = {
  readonly key: Digest;
  readonly bytes: number;
  /** Tree digest of its bytes. */
  readonly blobDigest: Digest;
};

/** Each blob once. Throws `agent.digest-unknown` for a snapshot made before blobs had digests. */
export function wantedBlobs(snapshot: Snapshot): WantedBlob[] {
  const wanted = new Map<Digest, WantedBlob>();
  for (const { layers } of snapshot.images) {
    for (const { blob: key, blobBytes: bytes, blobDigest } of layers) {
      if (blobDigest === undefined) {
        const message = `${snapshot.imageCacheId} was built before blobs had digests; build it anew with: larder update ${snapshot.imageCacheId}`;
        throw new LarderError('agent.digest-unknown', message);
      }
      wanted.set(key, { key, bytes, blobDigest });
    }
  }
  return [...wanted.values()];
}
