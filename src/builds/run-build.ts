import { snapshotIdOf } from '../caches/index.ts';
import { allOrAbort } from '../lib/all-or-abort.ts';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { formatBytes } from '../lib/format.ts';
import type { RegistryClient } from '../registry/index.ts';
import type { ClaimedBuild, LayerRecord } from '../store/ports.ts';
import { BuildProgress } from './build-progress.ts';
import { ensureLayer } from './ensure-layer.ts';
import { makeSnapshot } from './make-snapshot.ts';
import { type BuildImage, pullFailed, resolveImages } from './resolve-images.ts';
import type { BuildServices } from './services.ts';

const GIB = 2 ** 30;

type Pulled = { layers: ReadonlyMap<Digest, LayerRecord>; reused: ReadonlySet<Digest> };

/**
 * One build from its claim to a Ready cache: resolve → pull and convert layers → publish the snapshot manifest → commit.
 * Every step may run twice. Throws when the build failed (`builds.pull-failed`, `builds.exceeds-size`, …), was aborted,
 * or lost its lease; the worker decides what that means for the cache.
 */
export async function runBuild(
  build: ClaimedBuild,
  context: { services: BuildServices; owner: string; progress: BuildProgress; signal: AbortSignal },
): Promise<void> {
  const { services, owner, progress, signal } = context;
  progress.event({ type: 'Normal', reason: 'Started', message: 'Successfully check image cache resource.' });
  progress.event({ type: 'Normal', reason: 'Pulling', message: 'start to pull images' });
  await progress.flush();

  const client = services.connect(build.options);
  try {
    const images = await resolveImages(build.cache.images, { client, platform: services.platform }, signal);
    progress.setLayers(images.flatMap(layerRows));
    const pulled = await pullLayers(build, images, { ...context, client });
    checkSize(build, pulled.layers.values());

    progress.status('Creating');
    progress.event({ type: 'Normal', reason: 'SnapshotCreating', message: 'start to create snapshot' });
    await progress.flush();
    const snapshot = makeSnapshot(build, images, { layers: pulled.layers, nowMs: services.clock.now() });
    await services.blobs.putSnapshot(snapshot.id, `${JSON.stringify(snapshot)}\n`);

    const total = [...pulled.layers.values()].reduce((sum, layer) => sum + layer.blobBytes, 0);
    const message = `Successfully created snapshot ${snapshot.id}: ${images.length} images, ${pulled.layers.size} layers, ${formatBytes(total)}`;
    progress.event({ type: 'Normal', reason: 'SnapshotCreated', message });
    progress.event({ type: 'Normal', reason: 'Ready', message: 'Image cache is ready' });
    await progress.flush();
    const result = { status: 'Ready', snapshotId: snapshot.id, layers: [...pulled.layers.keys()], events: [] } as const;
    if (!(await services.store.builds.finish(build.id, owner, result, services.clock.now()))) {
      throw new LarderError('lease.lost', 'the build was taken over or its cache deleted');
    }
  } finally {
    await client.close();
  }
}

function layerRows(image: BuildImage, imageIndex: number) {
  return image.resolved.layers.map(({ digest, size }, layerIndex) => ({ imageIndex, layerIndex, digest, totalBytes: size }));
}

/** Pulls each distinct layer once, and tells of every image as its last layer arrives. */
async function pullLayers(
  build: ClaimedBuild,
  images: readonly BuildImage[],
  context: { services: BuildServices; owner: string; progress: BuildProgress; client: RegistryClient; signal: AbortSignal },
): Promise<Pulled> {
  const { services, owner, progress, client } = context;
  const maxBlobBytes = build.cache.sizeGib * GIB;
  const pulled = { layers: new Map<Digest, LayerRecord>(), reused: new Set<Digest>() };
  const announced = new Set<BuildImage>();

  function announceComplete(): void {
    for (const image of images) {
      const { layers } = image.resolved;
      if (announced.has(image) || !layers.every((layer) => pulled.layers.has(layer.diffId))) continue;
      announced.add(image);
      progress.event({ type: 'Normal', reason: 'Pulled', message: pulledMessage(image, pulled.reused) });
    }
  }

  const first = new Map<Digest, { image: BuildImage; layer: BuildImage['resolved']['layers'][number] }>();
  for (const image of images) {
    for (const layer of image.resolved.layers) if (!first.has(layer.diffId)) first.set(layer.diffId, { image, layer });
  }
  announceComplete();
  const tasks = [...first.values()].map(({ image, layer }) => async (signal: AbortSignal) => {
    const onBytes = (downloadedBytes: number) => progress.layer(layer.digest, { state: 'pulling', downloadedBytes });
    const job = {
      diffId: layer.diffId,
      digest: layer.digest,
      mediaType: layer.mediaType,
      compressedBytes: layer.size,
      owner,
      snapshotId: snapshotIdOf(build.id),
      maxBlobBytes,
      onBytes,
      download: (leased: AbortSignal, report: (downloaded: number) => void) =>
        client.openLayer(image.reference, layer, { signal: leased, onBytes: report }),
    };
    try {
      const { layer: record, reused } = await ensureLayer(job, services, signal);
      pulled.layers.set(layer.diffId, record);
      if (reused) pulled.reused.add(layer.diffId);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof LarderError && /^(builds|blobs|lease)\./.test(error.code)) throw error;
      throw pullFailed(image.given, error, `, layer ${layer.digest}`);
    }
    progress.layer(layer.digest, { state: 'done' });
    checkSize(build, pulled.layers.values());
    announceComplete();
  });
  await allOrAbort(tasks, context.signal);
  return pulled;
}

function pulledMessage(image: BuildImage, reused: ReadonlySet<Digest>): string {
  const { layers } = image.resolved;
  const there = layers.filter((layer) => reused.has(layer.diffId));
  const bytes = layers.reduce((sum, layer) => sum + layer.size, 0);
  return `Successfully pulled image ${image.given} (${layers.length} layers, ${there.length} reused, ${formatBytes(bytes)} compressed)`;
}

/** The images of a cache may not take more space than its size, each shared layer counted once. */
function checkSize(build: ClaimedBuild, layers: Iterable<LayerRecord>): void {
  let bytes = 0;
  for (const layer of layers) bytes += layer.blobBytes;
  if (bytes <= build.cache.sizeGib * GIB) return;
  throw new LarderError('builds.exceeds-size', `the images take ${formatBytes(bytes)} or more`, { facts: { bytes } });
}
