import { type Snapshot, snapshotIdOf } from '../caches/index.ts';
import { formatTime } from '../lib/clock.ts';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import type { ClaimedBuild, LayerRecord } from '../store/ports.ts';
import type { BuildImage } from './resolve-images.ts';

/** The manifest of what the cache holds. */
export function makeSnapshot(
  build: ClaimedBuild,
  images: readonly BuildImage[],
  facts: { layers: ReadonlyMap<Digest, LayerRecord>; nowMs: number },
): Snapshot {
  return {
    id: snapshotIdOf(build.id),
    imageCacheId: build.cache.id,
    createdAt: formatTime(facts.nowMs),
    images: images.map(({ given, resolved }) => ({
      reference: given,
      manifestDigest: resolved.manifestDigest,
      platform: resolved.platform,
      configDigest: resolved.configDigest,
      config: resolved.configText,
      layers: resolved.layers.map((layer) => {
        const record = facts.layers.get(layer.diffId);
        if (!record) throw new LarderError('store.layer-missing', `layer ${layer.diffId} is not in the store`);
        return {
          diffId: layer.diffId,
          digest: layer.digest,
          mediaType: layer.mediaType,
          compressedBytes: layer.size,
          tarBytes: record.tarBytes,
          blobBytes: record.blobBytes,
        };
      }),
    })),
  };
}
