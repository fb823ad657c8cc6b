import { hash } from 'node:crypto';
import { parseSnapshot, type Snapshot } from '../caches/index.ts';
import { type Digest, digestOfHex } from '../lib/digest.ts';
import type { LayerRecord, LayerUser } from '../store/ports.ts';
import type { BuildServices } from './services.ts';

/**
 * Makes the manifests say what the blob of a rebuilt layer is. Nearly always they do: the same layer gives the same blob; but
 * a later version of Larder may write another.
 */
export async function renewManifests(
  key: Digest,
  users: readonly LayerUser[],
  services: Pick<BuildServices, 'store' | 'blobs'>,
): Promise<void> {
  const { store, blobs } = services;
  for (const { snapshotId } of users) {
    const layer = await store.layers.use(key, snapshotId).catch(() => undefined);
    const text = (await store.health.copyOf(snapshotId)) ?? (await blobs.getSnapshot(snapshotId));
    if (layer === undefined || text === undefined) continue;
    const snapshot = parseSnapshot(snapshotId, text);
    const renewed = withBlob(snapshot, layer);
    if (renewed === snapshot) continue;
    const manifest = `${JSON.stringify(renewed)}\n`;
    // The copy first: should we die in between, the file that differs from it is written anew.
    const digest = digestOfHex(hash('sha256', manifest, 'hex'));
    if (await store.health.keepCopy(snapshotId, { text: manifest, digest }))
      await blobs.putSnapshot(snapshotId, manifest);
  }
}

function withBlob(snapshot: Snapshot, { diffId, blobBytes, blobDigest, tarBytes }: LayerRecord): Snapshot {
  const isOther = (layer: Snapshot['images'][number]['layers'][number]) =>
    layer.blob === diffId && (layer.blobBytes !== blobBytes || (layer.blobDigest ?? blobDigest) !== blobDigest);
  if (!snapshot.images.some((image) => image.layers.some(isOther))) return snapshot;
  return {
    ...snapshot,
    images: snapshot.images.map((image) => ({
      ...image,
      layers: image.layers.map((layer) => (isOther(layer) ? { ...layer, blobBytes, blobDigest, tarBytes } : layer)),
    })),
  };
}
