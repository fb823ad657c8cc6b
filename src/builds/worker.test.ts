import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BuildHouse, OWNER, openBuildHouse } from '../../test/support/build-house.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { type TarEntry, writeTar } from '../../test/support/tar-writer.ts';
import { isMarkedVerified, verifyFile } from '../blobs/index.ts';
import type { ImageCache, Snapshot } from '../caches/index.ts';
import { openErofs } from '../layers/erofs/index.ts';

const WAIT_MS = 60_000;

async function finished(house: BuildHouse, id: string): Promise<ImageCache> {
  return (await house.ended(id)) ?? assert.fail(`image cache ${id} is gone`);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + WAIT_MS; !(await condition()); await sleep(20)) assert.ok(Date.now() < end);
}

async function snapshotOf(house: BuildHouse, cache: ImageCache): Promise<Snapshot> {
  return JSON.parse((await house.services.blobs.getSnapshot(cache.snapshotId ?? '')) ?? '');
}

const tarOf = (...entries: TarEntry[]) => Buffer.concat([...writeTar(entries)]);
const file = (name: string, text: string): TarEntry => ({ name, type: 'file', content: Buffer.from(text) });
const blobPath = (digest: string) => `/blobs/${digest}`;
const downloads = (house: BuildHouse, digest: string) =>
  house.registry.requests.filter(({ path }) => path.endsWith(blobPath(digest))).length;

test('many caches of one image at once: each layer is downloaded once, and is gone when the last cache is', async (t) => {
  const house = await openBuildHouse(t);
  const image = buildImage({ layers: [tarOf(file('a', 'one')), tarOf(file('b', 'two'))] });
  house.registry.putImage('app', image, '1');
  const created = await Promise.all(Array.from({ length: 12 }, () => house.create([`${house.registry.host}/app:1`])));
  const workers = [house.startWorker(), house.startWorker()];
  const caches = await Promise.all(created.map(({ id }) => finished(house, id)));
  for (const cache of caches) {
    assert.equal(cache.status, 'Ready', JSON.stringify(cache.events));
    assert.equal(cache.progressPercent, 100);
    const [shown] = (await snapshotOf(house, cache)).images;
    assert.deepEqual(
      shown?.layers.map(({ diffId }) => diffId),
      image.layers.map(({ diffId }) => diffId),
    );
    const manifest = Buffer.from(shown?.manifest ?? '');
    assert.equal(`sha256:${createHash('sha256').update(manifest).digest('hex')}`, shown?.manifestDigest);
    assert.match(shown?.manifestMediaType ?? '', /manifest/);
    for (const layer of shown?.layers ?? []) {
      assert.ok(layer.blobDigest && (await verifyFile(house.services.blobs.path(layer.blob), layer.blobDigest)));
      assert.ok(await isMarkedVerified(house.services.blobs.path(layer.blob)));
    }
  }
  for (const { descriptor } of image.layers) assert.equal(downloads(house, descriptor.digest), 1);

  for (const { id } of caches) assert.ok(await house.services.store.caches.delete({ ...OWNER, id }));
  for (const worker of workers) worker.wake();
  await until(async () => (await Array.fromAsync(house.services.blobs.list())).length === 0);
  await until(async () => (await Array.fromAsync(house.services.blobs.listSnapshots())).length === 0);
});

/** The tree of the upper of two layers, built by a worker: path → mode, and the inode's number for files. */
async function upperTree(t: TestContext, layers: readonly [Buffer, Buffer]) {
  const house = await openBuildHouse(t);
  const image = buildImage({ layers });
  house.registry.putImage('app', image, '1');
  const { id } = await house.create([`${house.registry.host}/app:1`]);
  house.startWorker();
  const cache = await finished(house, id);
  assert.equal(cache.status, 'Ready', JSON.stringify(cache.events));
  const layer = (await snapshotOf(house, cache)).images[0]?.layers[1];
  assert.ok(layer);
  assert.notEqual(layer.blob, layer.diffId, 'a layer that depends on the one below has a blob of its own');
  const blob = await house.services.blobs.open(layer.blob);
  t.after(() => blob.close());
  const reader = await openErofs((position, length) => blob.read(position, length));
  const tree = new Map<string, { mode: number; nid: number }>();
  const pending = [{ path: '', file: reader.root }];
  for (let next = pending.pop(); next; next = pending.pop()) {
    for await (const { name, nid } of reader.list(next.file)) {
      const found = await reader.inode(nid);
      tree.set(`${next.path}${name}`, { mode: found.mode, nid });
      if (found.kind === 'directory') pending.push({ path: `${next.path}${name}/`, file: found });
    }
  }
  return tree;
}

test('a hard link to a file of a lower layer becomes one inode with it; its directory keeps the lower mode', async (t) => {
  const lower = tarOf({ name: 'usr/', type: 'directory', mode: 0o750 }, file('usr/target', 'shared'));
  const upper = tarOf({ name: 'new', type: 'hardLink', linkName: 'usr/target' });
  const tree = await upperTree(t, [lower, upper]);
  assert.deepEqual([...tree.keys()].toSorted(), ['new', 'usr', 'usr/target']);
  assert.equal(tree.get('usr')?.mode, 0o750);
  assert.equal(tree.get('new')?.nid, tree.get('usr/target')?.nid);
});

test('an entry below a symlink of a lower layer goes where the symlink leads', async (t) => {
  const lower = tarOf(
    { name: 'usr/', type: 'directory', mode: 0o711 },
    { name: 'usr/lib/', type: 'directory', mode: 0o701 },
    { name: 'lib', type: 'symlink', linkName: 'usr/lib' },
  );
  const tree = await upperTree(t, [lower, tarOf(file('lib/new', 'text'))]);
  assert.deepEqual([...tree.keys()].toSorted(), ['usr', 'usr/lib', 'usr/lib/new']);
  assert.deepEqual([tree.get('usr')?.mode, tree.get('usr/lib')?.mode], [0o711, 0o701]);
});

test('a failed build says why, leaves no byte behind, and does not hinder the next', async (t) => {
  const house = await openBuildHouse(t);
  const image = buildImage({ layers: [tarOf(file('a', 'one'))] });
  house.registry.putImage('app', image, '1');
  const [layer] = image.layers;
  assert.ok(layer);
  const wrong = Buffer.from(layer.bytes);
  wrong.fill(0xff, wrong.length - 6);
  let isWrong = true;
  house.registry.script(blobPath(layer.descriptor.digest), () => (isWrong ? { body: wrong } : undefined));
  house.startWorker();
  const broken = await finished(house, (await house.create([`${house.registry.host}/app:1`])).id);
  assert.equal(broken.status, 'Failed');
  assert.ok(broken.expiresAtMs);
  const warning = broken.events.find(({ type }) => type === 'Warning');
  assert.match(warning?.message ?? '', /Failed to pull image .*layer sha256:.*corrupt|digest/);
  assert.deepEqual(await Array.fromAsync(house.services.blobs.list()), []);
  const names = await readdir(join(house.directory, 'layers'), { recursive: true });
  assert.ok(!names.some((name) => name.includes('.tmp-')), names.join());

  isWrong = false;
  const right = await finished(house, (await house.create([`${house.registry.host}/app:1`])).id);
  assert.equal(right.status, 'Ready', JSON.stringify(right.events));
});

test('a deleted cache stops its build; a stopped worker gives its build to the next', async (t) => {
  const house = await openBuildHouse(t);
  const image = buildImage({ layers: [tarOf(file('a', 'one'))] });
  house.registry.putImage('app', image, '1');
  const digest = image.layers[0]?.descriptor.digest ?? '';
  let stalls = true;
  house.registry.script(blobPath(digest), () => (stalls ? { stallAfter: 10 } : undefined));
  const first = house.startWorker();
  const doomed = await house.create([`${house.registry.host}/app:1`]);
  const kept = await house.create([`${house.registry.host}/app:1`]);
  first.wake();
  await until(async () => downloads(house, digest) > 0);
  assert.ok(await house.services.store.caches.delete({ ...OWNER, id: doomed.id }));
  await first.stop();
  assert.equal((await house.find(kept.id))?.status, 'Preparing');
  stalls = false;
  house.startWorker();
  assert.equal((await finished(house, kept.id)).status, 'Ready');
});
