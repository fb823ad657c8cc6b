import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { OWNER, openBuildHouse } from '../../test/support/build-house.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { writeTar } from '../../test/support/tar-writer.ts';
import { type Digest, digestOfHex, hexOf } from '../lib/digest.ts';
import { collectGarbage, manifestProblem, startCaretaker } from './index.ts';

const STRESS_MS = 5_000;
const LAYERS = 24;
const MAX_KEPT = 2;
const signal = new AbortController().signal;
const tarOf = (text: string) =>
  Buffer.concat([...writeTar([{ name: text, type: 'file', content: Buffer.from(text.repeat(100)) }])]);

test('create, delete, expiry and scrubbing go on while everything is collected: nothing in use is lost, nothing stays', async (t) => {
  const house = await openBuildHouse(t);
  const { store, blobs, keeper } = house.services;
  // Layers that now several caches use, now none.
  const references: string[] = [];
  for (let a = 0; a < LAYERS; a++) {
    for (let b = 0; b < a; b++) {
      house.registry.putImage('app', buildImage({ layers: [tarOf(`l${a}`), tarOf(`l${b}`)] }), `v${a}-${b}`);
      references.push(`${house.registry.host}/app:v${a}-${b}`);
    }
  }
  const worker = house.startWorker();
  const caretaker = startCaretaker(house.services, {
    name: 'test',
    scrubBytesPerSecond: 2 ** 30,
    scrubDays: 0.00001,
    gcGraceMs: 0,
  });
  t.after(() => caretaker.stop());
  const endMs = Date.now() + STRESS_MS;
  let collected = 0;
  const counted = { ...blobs };
  blobs.remove = (diffId) => {
    collected++;
    return counted.remove(diffId);
  };
  const kept: string[] = [];
  async function collect(name: string): Promise<void> {
    while (Date.now() < endMs) {
      await collectGarbage(house.services, name, signal, { orphans: { keeper, graceMs: 0 } });
      await sleep(randomInt(30));
    }
  }
  async function use(): Promise<void> {
    while (Date.now() < endMs) {
      const { id } = await house.create([references[randomInt(references.length)] ?? '']);
      worker.wake();
      if (randomInt(4) === 0) await sleep(randomInt(50));
      else {
        const cache = await house.ended(id);
        assert.ok(cache === undefined || cache.status === 'Ready', JSON.stringify(cache?.events));
      }
      kept.push(id);
      const gone = kept.length > MAX_KEPT ? kept.splice(randomInt(kept.length), 1)[0] : undefined;
      if (gone !== undefined) await store.caches.delete({ ...OWNER, id: gone });
    }
  }
  await Promise.all([collect('one'), collect('two'), use(), use(), use(), use()]);
  t.diagnostic(`${collected} layers were collected`);
  assert.ok(collected > 5, `only ${collected} layers were collected`);

  const needed = new Set<Digest>();
  const { caches } = await store.caches.find(OWNER, { limit: 1000 });
  for (const { id } of caches) {
    const cache = await house.ended(id);
    assert.equal(cache?.status, 'Ready', JSON.stringify(cache?.events));
    const row = await store.health.snapshot(cache.snapshotId ?? '');
    assert.ok(row);
    assert.equal(await manifestProblem(row, { blobs }), undefined);
    const snapshot = JSON.parse((await blobs.getSnapshot(row.snapshotId)) ?? '');
    for (const { blob, blobDigest } of snapshot.images[0].layers) {
      assert.equal((await keeper.read(blob, { signal })).blobDigest, blobDigest);
      needed.add(blob);
    }
  }
  await collectGarbage(house.services, 'last', signal, { orphans: { keeper, graceMs: 0 } });
  const left = (await Array.fromAsync(blobs.list())).map(({ diffId }) => diffId);
  assert.deepEqual(left.toSorted(), [...needed].toSorted());
  const snapshots = await Array.fromAsync(blobs.listSnapshots());
  assert.equal(snapshots.length, caches.length);
  assert.deepEqual(await store.health.lost(), []);
});

test('a dry run names what would go; the attached stays; an orphan goes when it is old enough', async (t) => {
  const house = await openBuildHouse(t);
  const { store, blobs, keeper } = house.services;
  const image = buildImage({ layers: [tarOf('a'), tarOf('b')] });
  house.registry.putImage('app', image, '1');
  const worker = house.startWorker();
  const { id } = await house.create([`${house.registry.host}/app:1`]);
  await house.ended(id);
  await worker.stop();
  const [a, b] = image.layers.map(({ diffId }) => diffId);
  assert.ok(a && b);
  const orphan = digestOfHex('0f'.repeat(32));
  await mkdir(dirname(blobs.path(orphan)), { recursive: true });
  await writeFile(blobs.path(orphan), 'orphan');
  const services = { ...house.services, attachedBlobs: async () => new Set([hexOf(a)]) };
  const collect = (dryRun: boolean, graceMs: number) =>
    collectGarbage(services, 'collector', signal, { dryRun, orphans: { keeper, graceMs } });

  const before = await collect(false, 60_000);
  assert.deepEqual([before.layers, before.snapshots, before.kept.map(({ why }) => why)], [[], [], ['young']]);
  await store.caches.delete({ ...OWNER, id });
  const bytes = (await blobs.size(b)) ?? 0;
  const expected = [
    { diffId: b, bytes, why: 'unused' },
    { diffId: orphan, bytes: 'orphan'.length, why: 'orphan' },
  ];
  const dry = await collect(true, 0);
  assert.deepEqual(dry.layers, expected);
  assert.equal(dry.snapshots.length, 1);
  assert.equal((await Array.fromAsync(blobs.list())).length, 3);
  const real = await collect(false, 0);
  assert.deepEqual(real, dry);
  assert.deepEqual(real.kept, [{ diffId: a, bytes: await blobs.size(a), why: 'attached' }]);
  assert.deepEqual(await Array.fromAsync(blobs.listSnapshots()), []);
  assert.deepEqual(
    (await Array.fromAsync(blobs.list())).map(({ diffId }) => diffId),
    [a],
  );
});
