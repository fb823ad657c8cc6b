import { setTimeout as sleep } from 'node:timers/promises';
import type { Digest } from '../lib/digest.ts';
import { checkManifest } from './check-manifest.ts';
import { loseBlob } from './lose-blob.ts';
import type { CareServices } from './services.ts';

/** Rows looked at before others have their turn: some milliseconds of work. */
const BATCH = 200;
const PAUSE_MS = 5;

/** Names of owners of leases that commands take beside a running server. */
export const COMMAND_OWNER = 'command/';

/**
 * What a start does first, before any build is claimed: this process alone has the data folder, so whoever held a lease is
 * dead, and its builds go on at once instead of when the lease lapses.
 */
export async function releaseDeadLeases({ store, log }: Pick<CareServices, 'store' | 'log'>): Promise<void> {
  const { builds, layers } = await store.health.releaseLeases(COMMAND_OWNER);
  for (const build of builds) log.info({ build }, 'a build of an earlier run goes on');
  for (const diffId of layers) log.info({ diffId }, 'a layer that an earlier run held is free');
}

/**
 * Compares what has to be there with what is, by names and sizes: a stat(2) for each blob, in batches, while the server answers
 * already. Blobs that are missing or have another size are lost, and rebuilt; manifests that are missing are written anew.
 */
export async function checkAfterStart(services: CareServices, signal: AbortSignal): Promise<void> {
  const startedMs = services.clock.now();
  const blobs = await checkBlobs(services, signal);
  const snapshots = await checkManifests(services, { signal, isThorough: false });
  services.log.info({ ...blobs, ...snapshots, ms: services.clock.now() - startedMs }, 'start-up check done');
}

async function checkBlobs(services: CareServices, signal: AbortSignal): Promise<{ blobs: number; lost: number }> {
  const { store, blobs } = services;
  const counts = { blobs: 0, lost: 0 };
  for (let after: Digest | undefined; ; ) {
    const rows = await store.health.storedBlobs({ after, limit: BATCH });
    for (const { diffId, blobBytes } of rows) {
      signal.throwIfAborted();
      const bytes = await blobs.size(diffId);
      counts.blobs++;
      if (bytes === blobBytes) continue;
      const reason = bytes === undefined ? 'missing' : 'wrong-size';
      if (await loseBlob(diffId, { reason }, services)) counts.lost++;
    }
    if (rows.length < BATCH) return counts;
    after = rows.at(-1)?.diffId;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

/** All manifests that caches show; thoroughly: read and compared, not only found. */
export async function checkManifests(
  services: Pick<CareServices, 'store' | 'blobs' | 'keeper' | 'clock' | 'log'>,
  { signal, isThorough }: { signal: AbortSignal; isThorough: boolean },
): Promise<{ snapshots: number; restored: number; lostSnapshots: number }> {
  const { store, blobs } = services;
  const counts = { snapshots: 0, restored: 0, lostSnapshots: 0 };
  const written = new Set<string>();
  if (!isThorough) for await (const id of blobs.listSnapshots()) written.add(id);
  for (let after: string | undefined; ; ) {
    const rows = await store.health.snapshots({ after, limit: BATCH });
    for (const row of rows) {
      signal.throwIfAborted();
      counts.snapshots++;
      if (written.has(row.snapshotId) || (!isThorough && row.layers === 0)) continue;
      const state = await checkManifest(row, services);
      if (state === 'restored') counts.restored++;
      if (state === 'lost') counts.lostSnapshots++;
    }
    if (rows.length < BATCH) return counts;
    after = rows.at(-1)?.snapshotId;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
