import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseSnapshot } from '../caches/index.ts';
import { digestOfHex } from '../lib/digest.ts';
import { errorCode } from '../lib/errors.ts';
import type { SnapshotRow } from '../store/ports.ts';
import type { CareServices } from './services.ts';
import { tellCaches } from './tell-caches.ts';

/** Manifests copied before others have their turn. */
const BATCH = 100;
const PAUSE_MS = 10;

export type ManifestServices = Pick<CareServices, 'store' | 'blobs' | 'keeper' | 'clock' | 'log'>;
/** `lost`: neither the file nor a copy is right. `empty`: there is none, and no layer that it could be about. */
export type ManifestState = 'right' | 'copied' | 'restored' | 'lost' | 'empty';

/**
 * Checks the manifest of a snapshot that a cache shows against its copy in the database, and brings the two together: a
 * missing copy is made, a file that is lost or changed is written anew. Where neither is right, the cache gets a warning.
 */
export async function checkManifest(row: SnapshotRow, services: ManifestServices): Promise<ManifestState> {
  const { store, blobs, keeper, clock, log } = services;
  const { snapshotId, copyDigest } = row;
  const text = await blobs.getSnapshot(snapshotId);
  const digest = text === undefined ? undefined : digestOfHex(hash('sha256', text, 'hex'));
  const isRight = text !== undefined && isManifest(snapshotId, text);
  if (isRight && digest === copyDigest) return 'right';
  if (isRight && digest !== undefined && copyDigest === undefined) {
    await store.health.keepCopy(snapshotId, { text, digest });
    return 'copied';
  }
  const copy = await readCopy(snapshotId, services);
  if (copy === text && isRight) return 'right';
  if (copy === undefined && text === undefined && row.layers === 0) return 'empty';
  if (text !== undefined) await keeper.quarantineSnapshot(snapshotId, clock.now());
  const facts = { snapshotId, imageCache: row.imageCacheId };
  if (copy !== undefined) {
    await blobs.putSnapshot(snapshotId, copy);
    log.warn(facts, 'snapshot manifest was lost or changed: written anew from its copy');
    return 'restored';
  }
  log.error(facts, 'snapshot manifest is lost, and there is no copy');
  const message = `The manifest of snapshot ${snapshotId} is lost: the image cache cannot be attached. Update it with UpdateImageCache, or create it again.`;
  await tellCaches(services, [row], { type: 'Warning', reason: 'Damaged', message });
  return 'lost';
}

/** What is wrong with the manifest of a snapshot that a cache shows, as it lies there; nothing is changed. */
export async function manifestProblem(
  row: SnapshotRow,
  { blobs }: Pick<ManifestServices, 'blobs'>,
): Promise<string | undefined> {
  const text = await blobs.getSnapshot(row.snapshotId);
  if (text === undefined) return row.layers === 0 && row.copyDigest === undefined ? undefined : 'missing';
  if (!isManifest(row.snapshotId, text)) return 'not a snapshot manifest';
  const isSame = row.copyDigest === undefined || digestOfHex(hash('sha256', text, 'hex')) === row.copyDigest;
  return isSame ? undefined : 'differs from the copy in the database';
}

/** Copies the manifests of caches that became Ready since the last time. */
export async function copyManifests(services: ManifestServices, signal: AbortSignal): Promise<void> {
  const { health } = services.store;
  for (;;) {
    const rows = await health.snapshotsWithoutCopy(BATCH);
    const left: string[] = [];
    for (const row of rows) {
      signal.throwIfAborted();
      if ((await checkManifest(row, services)) !== 'copied') left.push(row.snapshotId);
    }
    await health.leaveUncopied(left);
    if (rows.length < BATCH) return;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

function isManifest(snapshotId: string, text: string): boolean {
  try {
    return parseSnapshot(snapshotId, text).id === snapshotId;
  } catch {
    return false;
  }
}

async function readCopy(snapshotId: string, { store }: ManifestServices): Promise<string | undefined> {
  try {
    return await store.health.copyOf(snapshotId);
  } catch (error) {
    if (errorCode(error) === 'store.corrupt') return undefined;
    throw error;
  }
}
