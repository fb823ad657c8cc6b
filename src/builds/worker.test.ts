import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage } from '../../test/support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../../test/support/scripted-registry.ts';
import { type TarEntry, writeTar } from '../../test/support/tar-writer.ts';
import { createSealer, SEAL_KEY_BYTES } from '../accounts/index.ts';
import { type DiskBlobs, isMarkedVerified, openDiskBlobs, verifyFile } from '../blobs/index.ts';
import { type ImageCache, INITIAL_STATUS, type Snapshot } from '../caches/index.ts';
import { openErofs } from '../layers/erofs/index.ts';
import { createDecompressor, DEFAULT_LAYER_LIMITS } from '../layers/index.ts';
import { systemClock } from '../lib/clock.ts';
import { newId } from '../lib/ids.ts';
import { createLimit } from '../lib/limit.ts';
import { silentLogger } from '../lib/logger.ts';
import { createRegistryClient } from '../registry/index.ts';
import { openSqliteStore, type Store } from '../store/index.ts';
import { startWorker, type Worker } from './index.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64' };
const OWNER = { accountId: '1', regionId: 'test-1' };
const WAIT_MS = 60_000;

type House = { store: Store; blobs: DiskBlobs; registry: ScriptedRegistry; directory: string; start(): Worker };

/** A real store, real blobs and a registry that does as it is told; whatever runs is stopped at the end of the test. */
async function openHouse(t: TestContext): Promise<House> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-worker-'));
  const seal = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
  const store = await openSqliteStore({ path: join(directory, 'larder.db'), seal });
  const blobs = await openDiskBlobs({ directory });
  const registry = await startScriptedRegistry();
  const workers: Worker[] = [];
  t.after(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await store.close();
    await registry[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  function start(): Worker {
    const services = {
      store,
      blobs,
      connect: () => createRegistryClient({ plainHttp: [registry.host], retry: { attempts: 2, baseDelayMs: 1 } }),
      platform: PLATFORM,
      decompressorFor: () => createDecompressor(),
      layerLimits: DEFAULT_LAYER_LIMITS,
      layerSlots: createLimit(2),
      clock: systemClock,
      log: silentLogger,
    };
    const worker = startWorker(services, { name: `worker-${workers.length}`, maxBuilds: 8 });
    workers.push(worker);
    return worker;
  }
  return { store, blobs, registry, directory, start };
}

async function createCache(house: House, images: readonly string[]): Promise<ImageCache> {
  const containerGroupId = newId('eci', randomBytes);
  const cache: ImageCache = {
    ...OWNER,
    id: newId('imc', randomBytes),
    name: 'test',
    images,
    status: INITIAL_STATUS,
    progressPercent: 0,
    sizeGib: 1,
    createdAtMs: Date.now(),
    containerGroupId,
    resourceGroupId: 'rg-default',
    eliminationStrategy: '',
    registries: { plainHttpRegistries: [], insecureRegistries: [] },
    tags: [],
    events: [],
  };
  const options = { plainHttpRegistries: [], insecureRegistries: [], credentials: [] };
  await house.store.caches.create(cache, { id: containerGroupId, options });
  return cache;
}

async function find(house: House, id: string): Promise<ImageCache | undefined> {
  return (await house.store.caches.find({ ...OWNER, id }, { limit: 1 })).caches[0];
}

async function finished(house: House, id: string): Promise<ImageCache> {
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(20)) {
    const cache = await find(house, id);
    if (cache && (cache.status === 'Ready' || cache.status === 'Failed')) return cache;
  }
  throw new Error(`image cache ${id} did not end`);
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + WAIT_MS; !(await condition()); await sleep(20)) assert.ok(Date.now() < end);
}

async function snapshotOf(house: House, cache: ImageCache): Promise<Snapshot> {
  return JSON.parse((await house.blobs.getSnapshot(cache.snapshotId ?? '')) ?? '');
}

const tarOf = (...entries: TarEntry[]) => Buffer.concat([...writeTar(entries)]);
const file = (name: string, text: string): TarEntry => ({ name, type: 'file', content: Buffer.from(text) });
const blobPath = (digest: string) => `/blobs/${digest}`;
const downloads = (house: House, digest: string) =>
  house.registry.requests.filter(({ path }) => path.endsWith(blobPath(digest))).length;

test('many caches of one image at once: each layer is downloaded once, and is gone when the last cache is', async (t) => {
  const house = await openHouse(t);
  const image = buildImage({ layers: [tarOf(file('a', 'one')), tarOf(file('b', 'two'))] });
  house.registry.putImage('app', image, '1');
  const created = await Promise.all(
    Array.from({ length: 12 }, () => createCache(house, [`${house.registry.host}/app:1`])),
  );
  const workers = [house.start(), house.start()];
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
      assert.ok(layer.blobDigest && (await verifyFile(house.blobs.path(layer.blob), layer.blobDigest)));
      assert.ok(await isMarkedVerified(house.blobs.path(layer.blob)));
    }
  }
  for (const { descriptor } of image.layers) assert.equal(downloads(house, descriptor.digest), 1);

  for (const { id } of caches) assert.ok(await house.store.caches.delete({ ...OWNER, id }));
  for (const worker of workers) worker.wake();
  await until(async () => (await Array.fromAsync(house.blobs.list())).length === 0);
  await until(async () => (await Array.fromAsync(house.blobs.listSnapshots())).length === 0);
});

/** The tree of the upper of two layers, built by a worker: path → mode, and the inode's number for files. */
async function upperTree(t: TestContext, layers: readonly [Buffer, Buffer]) {
  const house = await openHouse(t);
  const image = buildImage({ layers });
  house.registry.putImage('app', image, '1');
  const { id } = await createCache(house, [`${house.registry.host}/app:1`]);
  house.start();
  const cache = await finished(house, id);
  assert.equal(cache.status, 'Ready', JSON.stringify(cache.events));
  const layer = (await snapshotOf(house, cache)).images[0]?.layers[1];
  assert.ok(layer);
  assert.notEqual(layer.blob, layer.diffId, 'a layer that depends on the one below has a blob of its own');
  const blob = await house.blobs.open(layer.blob);
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
  const house = await openHouse(t);
  const image = buildImage({ layers: [tarOf(file('a', 'one'))] });
  house.registry.putImage('app', image, '1');
  const [layer] = image.layers;
  assert.ok(layer);
  const wrong = Buffer.from(layer.bytes);
  wrong.fill(0xff, wrong.length - 6);
  let isWrong = true;
  house.registry.script(blobPath(layer.descriptor.digest), () => (isWrong ? { body: wrong } : undefined));
  house.start();
  const broken = await finished(house, (await createCache(house, [`${house.registry.host}/app:1`])).id);
  assert.equal(broken.status, 'Failed');
  assert.ok(broken.expiresAtMs);
  const warning = broken.events.find(({ type }) => type === 'Warning');
  assert.match(warning?.message ?? '', /Failed to pull image .*layer sha256:.*corrupt|digest/);
  assert.deepEqual(await Array.fromAsync(house.blobs.list()), []);
  const names = await readdir(join(house.directory, 'layers'), { recursive: true });
  assert.ok(!names.some((name) => name.includes('.tmp-')), names.join());

  isWrong = false;
  const right = await finished(house, (await createCache(house, [`${house.registry.host}/app:1`])).id);
  assert.equal(right.status, 'Ready', JSON.stringify(right.events));
});

test('a deleted cache stops its build; a stopped worker gives its build to the next', async (t) => {
  const house = await openHouse(t);
  const image = buildImage({ layers: [tarOf(file('a', 'one'))] });
  house.registry.putImage('app', image, '1');
  const digest = image.layers[0]?.descriptor.digest ?? '';
  let stalls = true;
  house.registry.script(blobPath(digest), () => (stalls ? { stallAfter: 10 } : undefined));
  const first = house.start();
  const doomed = await createCache(house, [`${house.registry.host}/app:1`]);
  const kept = await createCache(house, [`${house.registry.host}/app:1`]);
  first.wake();
  await until(async () => downloads(house, digest) > 0);
  assert.ok(await house.store.caches.delete({ ...OWNER, id: doomed.id }));
  await first.stop();
  assert.equal((await find(house, kept.id))?.status, 'Preparing');
  stalls = false;
  house.start();
  assert.equal((await finished(house, kept.id)).status, 'Ready');
});
