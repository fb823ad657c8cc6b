import { randomBytes } from 'node:crypto';
import type { BuildOptions, ImageCache } from '../../src/caches/index.ts';
import { snapshotIdOf } from '../../src/caches/index.ts';
import { newId } from '../../src/lib/ids.ts';
import type { LayerRecord, Store } from '../../src/store/ports.ts';
import { digestOf } from './blobs.ts';

export const ACCOUNT = '1000000000000001';
export const REGION = 'cn-hangzhou';
export const LEASE_MS = 1000;
export const PASSWORD = 'correct-horse-battery-staple';

export const options: BuildOptions = {
  plainHttpRegistries: ['localhost:5000'],
  insecureRegistries: [],
  credentials: [{ server: 'localhost:5000', username: 'user', password: PASSWORD }],
};

export function newCache(change: Partial<ImageCache> = {}): ImageCache {
  return {
    id: newId('imc', randomBytes),
    accountId: ACCOUNT,
    regionId: REGION,
    name: 'test',
    images: ['nginx', 'localhost:5000/app@sha256:0'],
    status: 'Preparing',
    progressPercent: 0,
    sizeGib: 20,
    createdAtMs: 1000,
    containerGroupId: newId('eci', randomBytes),
    resourceGroupId: 'rg-default',
    eliminationStrategy: '',
    registries: { plainHttpRegistries: ['localhost:5000'], insecureRegistries: [] },
    tags: [{ key: 'k', value: '' }],
    events: [],
    ...change,
  };
}

/** Stores a cache with its queued build. */
export async function create(store: Store, change: Partial<ImageCache> = {}): Promise<ImageCache> {
  const cache = newCache(change);
  await store.caches.create(cache, { id: cache.containerGroupId, options });
  return cache;
}

export async function read(store: Store, cache: ImageCache): Promise<ImageCache | undefined> {
  const { accountId, regionId, id } = cache;
  return (await store.caches.find({ accountId, regionId, id }, { limit: 1 })).caches[0];
}

export function layerOf(number: number): LayerRecord {
  return {
    diffId: digestOf(number),
    blobBytes: 4096 * number,
    blobDigest: digestOf(number + 1000),
    tarBytes: 10_240,
    contentBytes: 2 ** 40,
  };
}

/** Converts and publishes a layer as the build of this cache would. */
export async function publish(store: Store, number: number, cache: ImageCache): Promise<void> {
  const snapshotId = snapshotIdOf(cache.containerGroupId);
  const claim = { owner: 'publisher', snapshotId, nowMs: 1000 };
  await store.layers.claim(digestOf(number), { ...claim, leaseMs: LEASE_MS });
  await store.layers.publish(layerOf(number), claim);
}

/** Takes a claimed build to Ready with these layers, which must be there. */
export async function finishReady(
  store: Store,
  cache: ImageCache,
  end: { owner: string; layers: readonly number[]; nowMs?: number },
): Promise<boolean> {
  const { containerGroupId: id } = cache;
  const nowMs = end.nowMs ?? 2000;
  await store.builds.update(id, end.owner, { status: 'Creating' }, nowMs);
  const layers = end.layers.map(digestOf);
  return store.builds.finish(
    id,
    end.owner,
    { status: 'Ready', snapshotId: snapshotIdOf(id), layers, events: [] },
    nowMs,
  );
}
