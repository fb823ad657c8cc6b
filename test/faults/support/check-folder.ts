import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { IMAGE_CACHE_VIEW } from '../../../src/api/index.ts';
import { isMarkedVerified, openBlobKeeper, openDiskBlobs, verifyFile } from '../../../src/blobs/index.ts';
import { type CareServices, collectGarbage, releaseDeadLeases, startWorker } from '../../../src/builds/index.ts';
import { checkAfterStart } from '../../../src/builds/startup-check.ts';
import { type ImageCache, parseSnapshot } from '../../../src/caches/index.ts';
import { createDecompressor, DEFAULT_LAYER_LIMITS } from '../../../src/layers/index.ts';
import type { Digest } from '../../../src/lib/digest.ts';
import { hashHere } from '../../../src/lib/hashing.ts';
import { createLimit } from '../../../src/lib/limit.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { ensureAccessKey } from '../../../src/server/access-keys.ts';
import { loadSealKey, prepareDataFolder } from '../../../src/server/data-folder.ts';
import { createSealers } from '../../../src/server/sealers.ts';
import { inspectSqliteStore, openSqliteStore, type Store } from '../../../src/store/index.ts';
import { ACCESS_KEY } from '../../support/larder-server.ts';
import { type FaultImages, PLATFORM } from './fault-images.ts';
import type { Promises } from './promises.ts';

const SETTLE_TIMEOUT_MS = 20_000;
const SETTLE_POLL_MS = 2;
const PAGE = 500;
const UNDER_WAY = new Set(['Preparing', 'Creating', 'Updating']);

/**
 * Starts on a data folder as a crash left it, as the server does (server/start-server.ts), lets the builds go on, collects
 * once, and says all that is not as it was promised.
 */
export async function checkFolder(directory: string, promises: Promises, images: FaultImages): Promise<string[]> {
  const problems: string[] = [];
  const signal = AbortSignal.timeout(2 * SETTLE_TIMEOUT_MS);
  const clock = { now: () => Date.now() + promises.offsetMs };
  const folder = await prepareDataFolder(directory);
  const sealers = createSealers(await loadSealKey(folder.sealKeyPath, randomBytes), randomBytes);
  const seal = sealers.registryCredentials;
  const store = await openSqliteStore({ path: folder.databasePath, seal, view: IMAGE_CACHE_VIEW });
  try {
    const preset = { id: ACCESS_KEY.accessKeyId, secret: ACCESS_KEY.accessKeySecret };
    await ensureAccessKey({ store, sealer: sealers.accessKeys, clock, randomBytes, preset });
    const blobs = await openDiskBlobs({ directory });
    await blobs.removeLeftovers();
    await store.nonces.remember('key', 'nonce', clock.now() + 1000, clock.now());
    const services: CareServices = {
      store,
      blobs,
      keeper: openBlobKeeper({ directory }),
      connect: images.connect,
      platform: PLATFORM,
      decompressorFor: () => createDecompressor(),
      hashing: hashHere,
      layerLimits: DEFAULT_LAYER_LIMITS,
      layerSlots: createLimit(2),
      largeLayers: createLimit(1),
      clock,
      log: silentLogger,
    };
    problems.push(...(await integrity(folder.databasePath)));
    const before = await allCaches(store);
    problems.push(...brokenPromises(before, promises));
    for (const cache of before) problems.push(...(await contentProblems(cache, blobs)));

    await releaseDeadLeases(services);
    await checkAfterStart(services, signal);
    for (const { diffId, reason } of await store.health.lost()) problems.push(`layer ${diffId} is lost: ${reason}`);
    const worker = startWorker(services, { name: 'check', maxBuilds: 4 });
    problems.push(...(await hanging(store)));
    await worker.stop();

    const after = await allCaches(store);
    for (const cache of after) problems.push(...(await contentProblems(cache, blobs)));
    // What was written this very millisecond counts as old, too.
    const orphans = { keeper: services.keeper, graceMs: -1000 };
    await collectGarbage(services, 'check/collector', signal, { orphans });
    problems.push(...(await orphanProblems(store, directory)));
    return problems;
  } finally {
    await store.close();
  }
}

async function integrity(path: string): Promise<string[]> {
  const inspector = await inspectSqliteStore(path, 'read');
  try {
    return [...inspector.integrity(), ...inspector.foreignKeys()].map((problem) => `database: ${problem}`);
  } finally {
    await inspector.close();
  }
}

async function allCaches(store: Store): Promise<ImageCache[]> {
  const caches: ImageCache[] = [];
  for (const scope of await store.caches.scopes())
    caches.push(...(await store.caches.find(scope, { limit: PAGE })).caches);
  return caches;
}

function brokenPromises(found: readonly ImageCache[], { caches, deleted }: Promises): string[] {
  const problems: string[] = [];
  const byId = new Map(found.map((cache) => [cache.id, cache]));
  for (const id of deleted) if (byId.has(id)) problems.push(`${id} was deleted and is there`);
  for (const [id, promised] of caches) {
    const cache = byId.get(id);
    if (cache === undefined) {
      problems.push(`${id} was created and is not there`);
      continue;
    }
    if (promised.name !== undefined && cache.name !== promised.name)
      problems.push(`${id} is called ${cache.name} and not ${promised.name}`);
    if (!promised.isReady) continue;
    if (!['Ready', 'Updating', 'UpdateFailed'].includes(cache.status))
      problems.push(`${id} was Ready and is ${cache.status}`);
    if (cache.snapshotId === undefined) problems.push(`${id} was Ready and has no snapshot`);
    if (!cache.images.every((image) => promised.images.includes(image)))
      problems.push(`${id} has ${cache.images.join()}`);
  }
  return problems;
}

/** A cache that shows a snapshot has all of it, right to the last bit. */
async function contentProblems(
  { id, snapshotId, status }: ImageCache,
  blobs: Awaited<ReturnType<typeof openDiskBlobs>>,
): Promise<string[]> {
  if (snapshotId === undefined) return status === 'Ready' ? [`${id} is Ready without a snapshot`] : [];
  const text = await blobs.getSnapshot(snapshotId);
  if (text === undefined) return [`${id} is ${status}, and the manifest of ${snapshotId} is missing`];
  const problems: string[] = [];
  for (const { blob, blobDigest } of parseSnapshot(snapshotId, text).images.flatMap(({ layers }) => layers)) {
    const path = blobs.path(blob);
    if (!(await isMarkedVerified(path)))
      problems.push(`${id} is ${status}, and blob ${blob} is missing or not verified`);
    else if (blobDigest === undefined || !(await verifyFile(path, blobDigest)))
      problems.push(`${id} is ${status}, and blob ${blob} is wrong`);
  }
  return problems;
}

async function hanging(store: Store): Promise<string[]> {
  for (const endMs = performance.now() + SETTLE_TIMEOUT_MS; ; await sleep(SETTLE_POLL_MS)) {
    const counts = await store.caches.countByStatus();
    const busy = [...counts].filter(([status, count]) => UNDER_WAY.has(status) && count > 0);
    if (busy.length === 0) return [];
    if (performance.now() > endMs) return busy.map(([status, count]) => `${count} caches stay ${status}`);
  }
}

/** After a collection there is on the disk what some cache names, and nothing else; and in the database too. */
async function orphanProblems(store: Store, directory: string): Promise<string[]> {
  const problems: string[] = [];
  const unused = await store.layers.listUnreferenced();
  if (unused.length > 0) problems.push(`rows of layers that nobody uses: ${unused.join()}`);
  const rows = new Set<string>();
  for (let after: Digest | undefined; ; ) {
    const page = await store.health.storedBlobs({ after, limit: PAGE });
    for (const { diffId } of page) rows.add(`${diffId.slice('sha256:'.length)}.erofs`);
    if (page.length < PAGE) break;
    after = page.at(-1)?.diffId;
  }
  const wanted = new Set([...rows, ...[...(await store.caches.snapshotIds())].map((id) => `${id}.json`)]);
  for (const name of ['layers', 'snapshots', 'quarantine']) {
    for (const file of await filesBelow(join(directory, name)))
      if (!wanted.delete(basename(file))) problems.push(`orphan ${name}/${file}`);
  }
  for (const name of wanted) problems.push(`missing file ${name}`);
  return problems;
}

async function filesBelow(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch {
    return [];
  }
}
