import assert from 'node:assert/strict';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { type BuildHouse, OWNER, openBuildHouse } from '../../test/support/build-house.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { type TarEntry, writeTar } from '../../test/support/tar-writer.ts';
import type { ImageCache, Snapshot } from '../caches/index.ts';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import { checkManifests, rebuildLayers, releaseDeadLeases, scrubBlob } from './index.ts';
import { checkAfterStart } from './startup-check.ts';

const signal = new AbortController().signal;
const tarOf = (...entries: TarEntry[]) => Buffer.concat([...writeTar(entries)]);
const file = (name: string, text: string): TarEntry => ({ name, type: 'file', content: Buffer.from(text) });

type Built = {
  house: BuildHouse;
  cache: ImageCache;
  snapshotId: string;
  keys: Digest[];
  lowest: Digest;
  manifest: string;
};

/** A cache of two layers, the upper of which depends on the lower, and no worker any more. */
async function build(t: TestContext): Promise<Built> {
  const house = await openBuildHouse(t);
  const lower = tarOf({ name: 'usr/', type: 'directory', mode: 0o750 }, file('usr/target', 'shared'));
  const upper = tarOf({ name: 'new', type: 'hardLink', linkName: 'usr/target' });
  house.registry.putImage('app', buildImage({ layers: [lower, upper] }), '1');
  const worker = house.startWorker();
  const { id } = await house.create([`${house.registry.host}/app:1`]);
  const cache = await house.ended(id);
  assert.equal(cache?.status, 'Ready', JSON.stringify(cache?.events));
  await worker.stop();
  const snapshotId = cache.snapshotId ?? '';
  const manifest = (await house.services.blobs.getSnapshot(snapshotId)) ?? '';
  const snapshot: Snapshot = JSON.parse(manifest);
  const keys = snapshot.images.flatMap((image) => image.layers.map((layer) => layer.blob));
  await checkManifests(house.services, { signal, isThorough: true });
  const [lowest] = keys;
  assert.ok(lowest);
  return { house, cache, snapshotId, keys, lowest, manifest };
}

const reasons = async ({ house, cache }: Built) => (await house.find(cache.id))?.events.map(({ reason }) => reason);
const blobsOf = ({ house, keys }: Built) => Promise.all(keys.map((key) => readFile(house.services.blobs.path(key))));

async function scrubAll({ house }: Built): Promise<string[]> {
  const verdicts: string[] = [];
  for (const blob of await house.services.store.health.storedBlobs({ limit: 10 })) {
    verdicts.push(await scrubBlob(blob, house.services, { signal }));
  }
  return verdicts.toSorted();
}

test('a layer and the one that depends on it are both lost, and rebuilt to the same bytes', async (t) => {
  const built = await build(t);
  const { house, keys, lowest } = built;
  const original = await blobsOf(built);
  for (const key of keys) {
    const bytes = await readFile(house.services.blobs.path(key));
    bytes[0] = (bytes[0] ?? 0) ^ 1;
    await writeFile(house.services.blobs.path(key), bytes);
  }
  assert.deepEqual(await scrubAll(built), ['wrong-digest', 'wrong-digest']);
  assert.equal(await house.services.blobs.size(lowest), undefined);
  await rebuildLayers(house.services, 'test', signal);
  assert.deepEqual(await blobsOf(built), original);
  assert.deepEqual(await scrubAll(built), ['right', 'right']);
  assert.deepEqual((await reasons(built))?.slice(-4), ['Damaged', 'Damaged', 'Repaired', 'Repaired']);
  assert.deepEqual(await house.services.store.health.lost(), []);
  assert.equal((await readdir(join(house.directory, 'quarantine'))).length, 2);
});

test('while the registry fails, the layer stays away and the attempts grow apart; a cache that is deleted ends them', async (t) => {
  const built = await build(t);
  const { house, lowest, cache } = built;
  const { store, blobs } = house.services;
  await truncate(blobs.path(lowest), 100);
  assert.deepEqual(await scrubAll(built), ['right', 'wrong-size']);
  house.registry.script('/blobs/', () => ({ status: 404 }));
  let nowMs = Date.now();
  const services = { ...house.services, clock: { now: () => nowMs } };
  const delays: number[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    await rebuildLayers(services, 'test', signal);
    const [lost] = await store.health.lost();
    assert.equal(lost?.attempts, attempt + 1);
    delays.push(lost.nextAttemptMs - nowMs);
    await rebuildLayers(services, 'test', signal);
    assert.equal((await store.health.lost())[0]?.attempts, attempt + 1, 'not before its time');
    nowMs = lost.nextAttemptMs;
  }
  assert.deepEqual(delays, [60_000, 120_000, 240_000]);
  const failed = (await house.find(cache.id))?.events.filter(({ reason }) => reason === 'RepairFailed');
  assert.equal(failed?.[0]?.count, 3);
  assert.match(failed[0].message, /UpdateImageCache/);
  await store.caches.delete({ ...OWNER, id: cache.id });
  await rebuildLayers(services, 'test', signal);
  assert.deepEqual(await store.health.lost(), []);
});

test('a blob without a digest gets one when it is first read, and is held to it; what the disk cannot read is lost', async (t) => {
  const built = await build(t);
  const { house, keys, lowest: key } = built;
  const database = new DatabaseSync(join(house.directory, 'larder.db'));
  database.exec('update layers set blob_digest = null');
  database.close();
  assert.deepEqual(await scrubAll(built), ['right', 'right']);
  const stored = await house.services.store.health.storedBlob(key);
  assert.ok(stored?.blobDigest);
  const keeper = {
    ...house.services.keeper,
    read: async () => {
      throw new LarderError('blobs.unreadable', 'bad sector');
    },
  };
  const verdict = await scrubBlob(stored, { ...house.services, keeper }, { signal });
  assert.equal(verdict, 'unreadable');
  const tired = { ...house.services.keeper, read: () => Promise.reject(new LarderError('blobs.too-many-files', '')) };
  const other = await house.services.store.health.storedBlob(keys[1] ?? key);
  assert.ok(other);
  await assert.rejects(scrubBlob(other, { ...house.services, keeper: tired }, { signal }), {
    code: 'blobs.too-many-files',
  });
  assert.ok(await house.services.blobs.size(other.diffId), 'that says nothing about the blob');
});

test('a layer that another version writes otherwise: the manifests say what it is now', async (t) => {
  const built = await build(t);
  const { house, snapshotId, lowest: key, manifest } = built;
  const { store, blobs } = house.services;
  // As if the earlier version had written one byte more.
  const snapshot = JSON.parse(manifest);
  const [layer] = snapshot.images[0].layers;
  const { blobBytes, blobDigest } = layer;
  Object.assign(layer, { blobBytes: blobBytes + 1, blobDigest: `sha256:${'0'.repeat(64)}` });
  await blobs.putSnapshot(snapshotId, JSON.stringify(snapshot));
  const database = new DatabaseSync(join(house.directory, 'larder.db'));
  database.exec('delete from snapshot_copies');
  database.close();
  await checkManifests(house.services, { signal, isThorough: true });
  await rm(blobs.path(key));
  await checkAfterStart(house.services, signal);
  await rebuildLayers(house.services, 'test', signal);
  const renewed: Snapshot = JSON.parse((await blobs.getSnapshot(snapshotId)) ?? '');
  assert.deepEqual(
    [renewed.images[0]?.layers[0]?.blobBytes, renewed.images[0]?.layers[0]?.blobDigest],
    [blobBytes, blobDigest],
  );
  assert.equal(await store.health.copyOf(snapshotId), await blobs.getSnapshot(snapshotId));
});

test('a manifest that is lost or changed is written anew from its copy; without one the cache says so', async (t) => {
  const built = await build(t);
  const { house, snapshotId, manifest } = built;
  const { blobs } = house.services;
  const check = () => checkManifests(house.services, { signal, isThorough: true });
  await blobs.removeSnapshot(snapshotId);
  assert.equal((await check()).restored, 1);
  assert.equal(await blobs.getSnapshot(snapshotId), manifest);
  await blobs.putSnapshot(snapshotId, manifest.replace('linux', 'Linux'));
  assert.equal((await check()).restored, 1);
  assert.equal(await blobs.getSnapshot(snapshotId), manifest);
  assert.deepEqual(await check(), { snapshots: 1, restored: 0, lostSnapshots: 0 });

  const database = new DatabaseSync(join(house.directory, 'larder.db'));
  database.exec("update snapshot_copies set manifest = x'00'");
  await blobs.removeSnapshot(snapshotId);
  assert.equal((await check()).lostSnapshots, 1);
  database.close();
  assert.equal((await reasons(built))?.at(-1), 'Damaged');
});

test('a start gives the builds of dead processes back at once, not those of commands beside it', async (t) => {
  const house = await openBuildHouse(t);
  const { store } = house.services;
  await house.create(['a']);
  await house.create(['b']);
  const nowMs = Date.now();
  await store.builds.claim('host/1/abc/1', nowMs, 60_000);
  await store.builds.claim('command/host/2', nowMs, 60_000);
  assert.equal(await store.builds.claim('next', nowMs, 60_000), undefined);
  await releaseDeadLeases(house.services);
  assert.equal((await store.builds.claim('next', nowMs, 60_000))?.attempt, 2);
  assert.equal(await store.builds.claim('next', nowMs, 60_000), undefined);
});
