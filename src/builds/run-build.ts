import { LarderError } from '../lib/errors.ts';
import { formatBytes } from '../lib/format.ts';
import type { ClaimedBuild } from '../store/ports.ts';
import type { BuildProgress } from './build-progress.ts';
import { makeSnapshot } from './make-snapshot.ts';
import { pullLayers } from './pull-layers.ts';
import { type BuildImage, resolveImages } from './resolve-images.ts';
import type { BuildServices } from './services.ts';

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
    const images = await resolveImages(build.images, { client, platform: services.platform }, signal);
    progress.setLayers(images.flatMap(layerRows));
    const layers = await pullLayers(build, images, { ...context, client });

    progress.status('Creating');
    progress.event({ type: 'Normal', reason: 'SnapshotCreating', message: 'start to create snapshot' });
    await progress.flush();
    const snapshot = makeSnapshot(build, images, { layers, nowMs: services.clock.now() });
    await services.blobs.putSnapshot(snapshot.id, `${JSON.stringify(snapshot)}\n`);

    const blobs = new Map([...layers.values()].map((layer) => [layer.diffId, layer.blobBytes]));
    const bytes = [...blobs.values()].reduce((sum, size) => sum + size, 0);
    const message = `Successfully created snapshot ${snapshot.id}: ${images.length} images, ${blobs.size} layers, ${formatBytes(bytes)}`;
    progress.event({ type: 'Normal', reason: 'SnapshotCreated', message });
    progress.event({ type: 'Normal', reason: 'Ready', message: 'Image cache is ready' });
    await progress.flush();
    const result = { status: 'Ready', snapshotId: snapshot.id, layers: [...blobs.keys()], events: [] } as const;
    if (!(await services.store.builds.finish(build.id, owner, result, services.clock.now()))) {
      throw new LarderError('lease.lost', 'the build was taken over or its cache deleted');
    }
  } finally {
    await client.close();
  }
}

function layerRows(image: BuildImage, imageIndex: number) {
  return image.resolved.layers.map(({ digest, size }, layerIndex) => ({
    imageIndex,
    layerIndex,
    digest,
    totalBytes: size,
  }));
}
