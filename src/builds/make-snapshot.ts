import { type Snapshot, snapshotIdOf } from '../caches/index.ts';
import { formatTime } from '../lib/clock.ts';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { formatPlatform } from '../oci/index.ts';
import type { ClaimedBuild, LayerRecord } from '../store/ports.ts';
import { chainOf } from './pull-layers.ts';
import type { BuildImage } from './resolve-images.ts';

/** The manifest of what the cache holds; `layers` has a record for every chainID. */
export function makeSnapshot(
  build: ClaimedBuild,
  images: readonly BuildImage[],
  facts: { layers: ReadonlyMap<Digest, LayerRecord>; nowMs: number },
): Snapshot {
  return {
    id: snapshotIdOf(build.id),
    imageCacheId: build.cache.id,
    createdAt: formatTime(facts.nowMs),
    images: images.map((image) => {
      const { given, resolved } = image;
      const chain = chainOf(image);
      return {
        reference: given,
        manifestDigest: resolved.manifestDigest,
        manifest: resolved.manifest.text,
        manifestMediaType: resolved.manifest.mediaType,
        platform: formatPlatform(resolved.platform),
        configDigest: resolved.configDigest,
        config: resolved.configText,
        layers: resolved.layers.map((layer, index) => {
          const record = facts.layers.get(chain[index] ?? layer.diffId);
          if (!record) throw new LarderError('store.layer-missing', `layer ${layer.diffId} is not in the store`);
          return {
            diffId: layer.diffId,
            blob: record.diffId,
            blobDigest: record.blobDigest,
            digest: layer.digest,
            mediaType: layer.mediaType,
            compressedBytes: layer.size,
            tarBytes: record.tarBytes,
            blobBytes: record.blobBytes,
          };
        }),
      };
    }),
  };
}
