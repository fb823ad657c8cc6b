import type { BlobKeeper } from '../blobs/ports.ts';
import type { Digest } from '../lib/digest.ts';
import { hexOf } from '../lib/digest.ts';
import { type BuildServices, LEASE_MS } from './services.ts';

/** Rows asked about at once, and snapshots forgotten in one go. */
const BATCH = 500;

export type GarbageServices = Pick<BuildServices, 'store' | 'blobs' | 'clock' | 'log' | 'attachedBlobs'>;

export type GarbageOptions = {
  /** Says what would go, and touches nothing. */
  dryRun?: boolean;
  /** Looks for files that no row names as well; those younger than `graceMs` stay. */
  orphans?: { keeper: BlobKeeper; graceMs: number };
};

/** What was removed, or would be. */
export type Garbage = {
  /** `unused`: its row is there, and no image cache uses it. `orphan`: a file without a row. */
  layers: { diffId: Digest; bytes: number; why: 'unused' | 'orphan' }[];
  snapshots: string[];
  /** What is not used and stays for now. */
  kept: { diffId: Digest; bytes: number; why: 'attached' | 'young' }[];
};

/**
 * Removes layers and snapshot manifests that no cache names and no build is about to name. A layer is claimed for
 * removal in the database first: from then on a build that wants it waits, and converts it anew once it is gone. What a
 * deleted cache alone has used goes at once; builds record what they use in the transaction that says it is there, so
 * that nothing in use is ever without a row, and the grace period is for files that nobody can account for.
 */
export async function collectGarbage(
  services: GarbageServices,
  owner: string,
  signal: AbortSignal,
  options: GarbageOptions = {},
): Promise<Garbage> {
  const { store, blobs, clock, log } = services;
  let attached: ReadonlySet<string> | undefined;
  const garbage: Garbage = { layers: [], snapshots: [], kept: [] };

  async function remove(diffId: Digest, why: 'unused' | 'orphan'): Promise<void> {
    signal.throwIfAborted();
    const bytes = (await blobs.size(diffId)) ?? 0;
    attached ??= (await services.attachedBlobs?.()) ?? new Set();
    if (attached.has(hexOf(diffId))) {
      garbage.kept.push({ diffId, bytes, why: 'attached' });
      return;
    }
    if (!options.dryRun) {
      if (!(await store.layers.claimForRemoval(diffId, { owner, nowMs: clock.now(), leaseMs: LEASE_MS }))) return;
      await blobs.remove(diffId);
      await store.layers.forget(diffId, owner);
      log.info({ diffId, bytes }, why === 'unused' ? 'layer removed: no image cache uses it' : 'orphan layer removed');
    }
    garbage.layers.push({ diffId, bytes, why });
  }

  for (const diffId of await store.health.unreferenced(clock.now())) await remove(diffId, 'unused');
  if (options.orphans) {
    const { keeper, graceMs } = options.orphans;
    for (const { diffId, bytes } of await orphanBlobs(services)) {
      const changedAtMs = (await keeper.changedAtMs(diffId)) ?? 0;
      if (changedAtMs > clock.now() - graceMs) garbage.kept.push({ diffId, bytes, why: 'young' });
      else await remove(diffId, 'orphan');
    }
  }
  garbage.snapshots = options.orphans ? await orphanSnapshots(services) : await store.health.removedSnapshots(BATCH);
  if (options.dryRun) return garbage;
  for (const id of garbage.snapshots) {
    signal.throwIfAborted();
    await blobs.removeSnapshot(id);
    await store.health.forgetRemoved(id);
  }
  return garbage;
}

async function orphanBlobs({ store, blobs }: GarbageServices): Promise<{ diffId: Digest; bytes: number }[]> {
  const orphans: { diffId: Digest; bytes: number }[] = [];
  let batch: { diffId: Digest; bytes: number }[] = [];
  async function sort(): Promise<void> {
    const known = await store.health.known(batch.map(({ diffId }) => diffId));
    orphans.push(...batch.filter(({ diffId }) => !known.has(diffId)));
    batch = [];
  }
  for await (const blob of blobs.list()) {
    batch.push(blob);
    if (batch.length === BATCH) await sort();
  }
  await sort();
  return orphans;
}

/** Snapshots are listed before the names are read: a build that starts in between can only add names. */
async function orphanSnapshots({ store, blobs }: GarbageServices): Promise<string[]> {
  const written: string[] = [];
  for await (const id of blobs.listSnapshots()) written.push(id);
  const named = await store.caches.snapshotIds();
  return written.filter((id) => !named.has(id));
}
