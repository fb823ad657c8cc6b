import { type BuildServices, LEASE_MS } from './services.ts';

/**
 * Removes layers and snapshot manifests that no cache names and no build is about to name. A layer is claimed for
 * removal in the database first: from then on a build that wants it waits, and converts it anew once it is gone.
 */
export async function collectGarbage(services: BuildServices, owner: string, signal: AbortSignal): Promise<void> {
  const { store, blobs, clock, log } = services;
  for (const diffId of await store.layers.listUnreferenced()) {
    signal.throwIfAborted();
    if (!(await store.layers.claimForRemoval(diffId, { owner, nowMs: clock.now(), leaseMs: LEASE_MS }))) continue;
    await blobs.remove(diffId);
    await store.layers.forget(diffId, owner);
    log.info({ diffId }, 'layer removed: no image cache uses it');
  }
  // Snapshots are listed before the names are read: a build that starts in between can only add names.
  const written: string[] = [];
  for await (const id of blobs.listSnapshots()) written.push(id);
  const named = await store.caches.snapshotIds();
  for (const id of written) {
    signal.throwIfAborted();
    if (!named.has(id)) await blobs.removeSnapshot(id);
  }
}
