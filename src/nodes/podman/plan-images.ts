import type { Snapshot, SnapshotImage } from '../../caches/index.ts';
import { type Digest, hexOf } from '../../lib/digest.ts';
import { describeError } from '../../lib/errors.ts';
import { parseReference } from '../../oci/index.ts';
import { storageLayerIds } from './layer-names.ts';
import type { StoreImage, StoreLayer, StoreProblem } from './store-model.ts';

/**
 * The images that a store should hold. Of each cache the newest snapshot counts; `picks` are ids of caches or of snapshots,
 * all caches when there are none. Where two snapshots have the same reference, the newer one gets the name, and the other
 * image stays reachable by its digest.
 */
export function planImages(
  snapshots: readonly Snapshot[],
  picks: readonly string[],
): { images: StoreImage[]; problems: StoreProblem[] } {
  const { chosen, problems } = choose(snapshots, picks);
  const images = new Map<string, StoreImage>();
  const taken = new Set<string>();
  for (const snapshot of chosen) {
    for (const image of snapshot.images) {
      const { manifest } = image;
      if (manifest === undefined) {
        problems.push(withoutManifest(snapshot, image));
        continue;
      }
      try {
        const name = freeName(image, taken);
        taken.add(name);
        const planned = planImage(snapshot, image, { name, manifest });
        images.set(planned.id, merge(images.get(planned.id), planned));
      } catch (error) {
        problems.push({ code: 'nodes.image-unreadable', message: `${image.reference}: ${describeError(error)}` });
      }
    }
  }
  return { images: [...images.values()], problems };
}

/** Newest first. */
function choose(snapshots: readonly Snapshot[], picks: readonly string[]) {
  const problems: StoreProblem[] = [];
  const newestFirst = snapshots.toSorted(
    (one, other) => Date.parse(other.createdAt) - Date.parse(one.createdAt) || (one.id < other.id ? 1 : -1),
  );
  const newest = newestFirst.filter(
    (snapshot, place) => newestFirst.findIndex((each) => each.imageCacheId === snapshot.imageCacheId) === place,
  );
  if (picks.length === 0) return { chosen: newest, problems };
  for (const pick of picks) {
    if (snapshots.some((each) => each.id === pick || each.imageCacheId === pick)) continue;
    problems.push({ code: 'nodes.cache-missing', message: `the data folder holds no snapshot of ${pick} (yet)` });
  }
  const chosen = newestFirst.filter(
    (each) => picks.includes(each.id) || (picks.includes(each.imageCacheId) && newest.includes(each)),
  );
  return { chosen, problems };
}

function withoutManifest(snapshot: Snapshot, image: SnapshotImage): StoreProblem {
  return {
    code: 'nodes.snapshot-old',
    message: `${image.reference} of ${snapshot.imageCacheId} has no manifest, its snapshot ${snapshot.id} is of an older version of Larder; make a new one with: larder update ${snapshot.imageCacheId}`,
  };
}

function freeName(image: SnapshotImage, taken: ReadonlySet<string>): string {
  const { registry, repository, tag, digest } = parseReference(image.reference);
  // With both, the digest decides, and containers/image drops the tag.
  const name = digest === undefined ? `${registry}/${repository}:${tag}` : `${registry}/${repository}@${digest}`;
  return taken.has(name) ? `${registry}/${repository}@${image.manifestDigest}` : name;
}

function planImage(
  snapshot: Snapshot,
  image: SnapshotImage,
  { name, manifest }: { name: string; manifest: string },
): StoreImage {
  return {
    id: hexOf(image.configDigest),
    names: [name],
    manifests: [{ digest: image.manifestDigest, document: manifest }],
    config: image.config,
    configDigest: image.configDigest,
    createdAt: createdAt(image.config) ?? snapshot.createdAt,
    layers: planLayers(snapshot, image),
  };
}

function planLayers(snapshot: Snapshot, image: SnapshotImage): StoreLayer[] {
  const ids = storageLayerIds(image.layers.map((layer) => layer.diffId));
  const seen = new Map<Digest, number>();
  return image.layers.map((layer, place) => {
    const copy = seen.get(layer.blob) ?? 0;
    seen.set(layer.blob, copy + 1);
    return {
      id: ids[place] ?? '',
      parent: ids[place - 1],
      diffId: layer.diffId,
      digest: layer.digest,
      mediaType: layer.mediaType,
      compressedBytes: layer.compressedBytes,
      tarBytes: layer.tarBytes,
      createdAt: snapshot.createdAt,
      blob: layer.blob,
      blobDigest: layer.blobDigest,
      copy,
    };
  });
}

/** The same config means the same layers, uncompressed; names and manifests may differ. */
function merge(first: StoreImage | undefined, second: StoreImage): StoreImage {
  if (!first) return second;
  const known = new Set(first.manifests.map((each) => each.digest));
  return {
    ...first,
    names: [...new Set([...first.names, ...second.names])],
    manifests: [...first.manifests, ...second.manifests.filter((each) => !known.has(each.digest))],
  };
}

/** When the image was made, as its config says it. */
function createdAt(config: string): string | undefined {
  const parsed: unknown = JSON.parse(config);
  if (typeof parsed !== 'object' || parsed === null || !('created' in parsed)) return undefined;
  const { created } = parsed;
  return typeof created === 'string' && RFC_3339.test(created) && !Number.isNaN(Date.parse(created))
    ? created
    : undefined;
}
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
