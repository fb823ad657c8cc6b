import { type CacheEventInput, parseSnapshot, type Snapshot } from '../caches/index.ts';
import type { Digest } from '../lib/digest.ts';
import { describeError, LarderError } from '../lib/errors.ts';
import { createLimit } from '../lib/limit.ts';
import { chainIds, parseReference } from '../oci/index.ts';
import type { LayerUser, LostLayer } from '../store/ports.ts';
import { ensureLayer } from './ensure-layer.ts';
import { renewManifests } from './renew-manifests.ts';
import type { CareServices } from './services.ts';
import { tellCaches } from './tell-caches.ts';

/** Builds come first: they have the other slots. */
const REBUILDS_AT_ONCE = 2;
/** Caches whose registries are asked for the same layer, one after the other. */
const MAX_SOURCES = 5;
/** After a failure the next attempt comes a minute later, then two, and so on up to an hour. */
const RETRY_MIN_MS = 60_000;
const RETRY_MAX_MS = 3_600_000;
const GIB = 2 ** 30;

type Source = { user: LayerUser; image: Snapshot['images'][number]; index: number };

/**
 * Rebuilds the layers that are lost and due from their registries, by digest, as the snapshot manifests of their caches say;
 * a layer that depends on those below waits for them. Credentials were wiped when the builds ended: the server's own, or
 * none, have to do. What fails is tried again later, and its caches say what to do.
 */
export async function rebuildLayers(services: CareServices, owner: string, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = services;
  const lost = await store.health.lost();
  const limit = createLimit(REBUILDS_AT_ONCE);
  const started = new Map<Digest, Promise<void>>();
  const byKey = new Map(lost.map((layer) => [layer.diffId, layer]));

  function rebuildOnce(layer: LostLayer): Promise<void> {
    const known = started.get(layer.diffId);
    if (known) return known;
    const run = rebuild(layer);
    started.set(layer.diffId, run);
    return run;
  }

  async function rebuild(layer: LostLayer): Promise<void> {
    const { diffId } = layer;
    try {
      const users = await store.health.users(diffId);
      if (layer.isBack) return await settle(diffId, users);
      if (users.length === 0) return await store.health.forgetLoss(diffId);
      const sources = await findSources(diffId, users, services);
      const below = sources.flatMap(({ image, index }) => lostBelow(image, index, byKey));
      await Promise.all(below.map(rebuildOnce));
      await limit(() => rebuildFrom(diffId, sources, { services, owner, signal }), signal);
      await settle(diffId, await store.health.users(diffId));
    } catch (error) {
      signal.throwIfAborted();
      await postpone(layer, error);
    }
  }

  async function settle(diffId: Digest, users: readonly LayerUser[]): Promise<void> {
    await renewManifests(diffId, users, services);
    const message = `Layer ${diffId} was rebuilt from the registry and is as it was. Where an image with it was attached before, detach it and attach it again.`;
    await tellCaches(services, users, { type: 'Normal', reason: 'Repaired', message });
    await store.health.forgetLoss(diffId);
    log.info({ diffId, imageCaches: users.length }, 'lost layer is there again');
  }

  async function postpone({ diffId, attempts }: LostLayer, error: unknown): Promise<void> {
    const delayMs = Math.min(RETRY_MIN_MS * 2 ** attempts, RETRY_MAX_MS);
    const text = describeError(error);
    log.warn({ diffId, err: text, attempts: attempts + 1, delayMs }, 'lost layer cannot be rebuilt');
    await store.health.postponeRebuild(diffId, { error: text, nextAttemptMs: clock.now() + delayMs });
    await tellCaches(services, await store.health.users(diffId), rebuildFailed(diffId, text));
  }

  const due = lost.filter((layer) => layer.isBack || layer.nextAttemptMs <= clock.now());
  await Promise.all(due.map(rebuildOnce));
}

function rebuildFailed(diffId: Digest, error: string): CacheEventInput {
  const message = `Layer ${diffId} cannot be rebuilt: ${error}. Update the image cache with UpdateImageCache, giving the credentials of its registry, or create it again; meanwhile the server keeps trying.`;
  return { type: 'Warning', reason: 'RepairFailed', message };
}

/** Where manifests of caches say the layer comes from, each registry's repository once. */
async function findSources(diffId: Digest, users: readonly LayerUser[], services: CareServices): Promise<Source[]> {
  const sources = new Map<string, Source>();
  for (const user of users) {
    if (sources.size >= MAX_SOURCES) break;
    const { snapshotId } = user;
    const text = (await services.store.health.copyOf(snapshotId)) ?? (await services.blobs.getSnapshot(snapshotId));
    if (text === undefined) continue;
    for (const image of parseSnapshot(snapshotId, text).images) {
      const index = image.layers.findIndex((layer) => layer.blob === diffId);
      const { registry, repository } = parseReference(image.reference);
      if (index >= 0) sources.set(`${registry}/${repository}`, { user, image, index });
    }
  }
  if (sources.size > 0) return [...sources.values()];
  throw new LarderError('builds.no-source', 'no snapshot manifest says where it comes from');
}

/** A layer that is kept under its diffID does not depend on those below. */
function lostBelow(image: Source['image'], index: number, lost: ReadonlyMap<Digest, LostLayer>): readonly LostLayer[] {
  const layer = image.layers[index];
  if (layer === undefined || layer.blob === layer.diffId) return [];
  return image.layers.slice(0, index).flatMap(({ blob }) => lost.get(blob) ?? []);
}

async function rebuildFrom(
  diffId: Digest,
  sources: readonly Source[],
  context: { services: CareServices; owner: string; signal: AbortSignal },
): Promise<void> {
  let failure: unknown;
  for (const source of sources) {
    try {
      return await rebuildFromOne(diffId, source, context);
    } catch (error) {
      context.signal.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

async function rebuildFromOne(
  diffId: Digest,
  { user, image, index }: Source,
  { services, owner, signal }: { services: CareServices; owner: string; signal: AbortSignal },
): Promise<void> {
  const layer = image.layers[index];
  if (layer === undefined) return;
  const reference = parseReference(image.reference);
  const client = services.connect({ ...user.registries, credentials: [] });
  try {
    const { digest, mediaType, compressedBytes } = layer;
    const ensured = await ensureLayer(
      {
        diffId: layer.diffId,
        chainId: chainIds(image.layers.map((each) => each.diffId))[index] ?? layer.diffId,
        digest,
        mediaType,
        compressedBytes,
        owner,
        snapshotId: user.snapshotId,
        maxBlobBytes: user.sizeGib * GIB,
        onBytes() {},
        download: (leased, onBytes) =>
          client.openLayer(reference, { mediaType, digest, size: compressedBytes }, { signal: leased, onBytes }),
        distrustMirrors: () => client.distrustMirrors(digest),
        below: async () => image.layers.slice(0, index).map((each) => each.blob),
      },
      services,
      signal,
    );
    if (ensured.layer.diffId === diffId) return;
    throw new LarderError('builds.other-blob', 'this version of Larder converts it into another blob');
  } finally {
    await client.close();
  }
}
