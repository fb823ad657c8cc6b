/**
 * Whatever happens to the bytes on the server's disk is found, put aside, and rebuilt from the registry to what it was.
 */
import assert from 'node:assert/strict';
import { createHash, randomInt } from 'node:crypto';
import { mkdtemp, open, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { VERIFIED_TIME_S } from '../../src/blobs/index.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient, type ImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { listFiles } from '../support/list-files.ts';
import { requireFilesystem, requireRoot, skipWithout } from '../support/requirements.ts';
import { pushSmallImage, type SmallImage } from '../support/small-image.ts';

const TIMEOUT_MS = 30_000;
const USER = { name: 'somebody', password: 'right horse' };

describe('upkeep of a data folder', { skip: skipWithout({ tools: ['docker-registry', 'htpasswd'] }) }, () => {
  let registry: DockerRegistry;
  let larder: LarderServer;
  let client: ImageCacheClient;
  let layers: string;

  before(async () => {
    registry = await startDockerRegistry();
    larder = await startLarder();
    client = createImageCacheClient(larder.endpoint);
    layers = join(larder.dataDirectory, 'layers/sha256');
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  const cli = (...args: string[]) => larder.cli(...args, '--data', larder.dataDirectory);
  const json = async (...args: string[]) => JSON.parse(await cli(...args, '--output', 'json'));
  const shaOf = async (path: string) =>
    createHash('sha256')
      .update(await readFile(path))
      .digest('hex');
  const blobHex = (path: string) => path.slice('ab/'.length, -'.erofs'.length);
  const eventsOf = async (id: string) => (await client.describe(id))?.events ?? [];

  /** As a disk does it: the file system knows of no write, and the mark of a verified file stays. */
  async function flipBit(path: string): Promise<void> {
    const { size } = await stat(path);
    const file = await open(path, 'r+');
    try {
      const position = randomInt(size);
      const byte = Buffer.alloc(1);
      await file.read(byte, 0, 1, position);
      byte[0] = (byte[0] ?? 0) ^ (1 << randomInt(8));
      await file.write(byte, 0, 1, position);
    } finally {
      await file.close();
    }
    await utimes(path, VERIFIED_TIME_S, VERIFIED_TIME_S);
  }

  /** `keep` leaves a mount whose layers later ones would share; `contents` mounts, reads every file, and unmounts. */
  function mountTwice(t: TestContext, id: string, image: SmallImage) {
    async function mount(): Promise<string> {
      const target = await mkdtemp(join(tmpdir(), 'larder-scrub-'));
      await cli('mount', id, image.reference, target);
      return target;
    }
    async function unmount(target: string): Promise<void> {
      await cli('umount', target);
      await rm(target, { recursive: true });
    }
    return {
      async keep() {
        const target = await mount();
        t.after(() => unmount(target));
      },
      async contents() {
        const target = await mount();
        try {
          return await Promise.all(image.layers.map((_, place) => shaOf(join(target, `layer-${place}/data`))));
        } finally {
          await unmount(target);
        }
      },
    };
  }

  async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
    for (const endMs = Date.now() + TIMEOUT_MS; !(await condition()); await sleep(50)) {
      assert.ok(Date.now() < endMs, `${what}\n${larder.log().slice(-3000)}`);
    }
  }

  test('bits flipped anywhere: all found, put aside, rebuilt; mounts show what they should', async (t) => {
    const image = await pushSmallImage(registry, { layers: 12, bytes: 200_000 });
    const shared = await pushSmallImage(registry, { layers: 2 });
    const ids = [
      await client.createReady([image.reference], TIMEOUT_MS),
      await client.createReady([image.reference, shared.reference], TIMEOUT_MS),
    ];
    const mounted = requireRoot(t) && requireFilesystem(t, 'erofs') ? mountTwice(t, ids[0] ?? '', image) : undefined;
    const contents = await mounted?.contents();
    await mounted?.keep();
    const files = await listFiles(layers);
    const original = new Map(
      await Promise.all(files.map(async (file) => [file, await shaOf(join(layers, file))] as const)),
    );
    assert.deepEqual((await json('check', '--deep')).Problems, []);

    const broken = files.filter((_, place) => place % 2 === 0);
    for (const file of broken) await flipBit(join(layers, file));
    const gone = files.at(-1) ?? '';
    await rm(join(layers, gone));
    const scrub = await json('scrub', '--wait', '20');
    const expected = [...new Set([...broken, gone])].map((file) => `sha256:${blobHex(file)}`).toSorted();
    assert.deepEqual(scrub.Damaged.map(({ Layer }: { Layer: string }) => Layer).toSorted(), expected);
    assert.ok(
      scrub.Damaged.every(({ Rebuilt }: { Rebuilt: boolean }) => Rebuilt),
      JSON.stringify(scrub),
    );

    for (const [file, sha] of original) assert.equal(await shaOf(join(layers, file)), sha, file);
    const aside = await readdir(join(larder.dataDirectory, 'quarantine'));
    assert.equal(aside.length, broken.filter((file) => file !== gone).length);
    for (const id of ids) {
      const cache = await client.describe(id);
      assert.equal(cache?.status, 'Ready');
      const events = await eventsOf(id);
      assert.ok(events.some(({ type, reason }) => type === 'Warning' && reason === 'Damaged'));
      assert.ok(events.some(({ type, reason }) => type === 'Normal' && reason === 'Repaired'));
    }
    assert.deepEqual((await json('check', '--deep')).Problems, []);

    assert.deepEqual(await mounted?.contents(), contents);
  });

  test('a start finds blobs that are missing or cut, and manifests that are lost, and brings them back', async () => {
    const image = await pushSmallImage(registry, { layers: 3 });
    const id = await client.createReady([image.reference], TIMEOUT_MS);
    const { snapshotId = '' } = (await client.describe(id)) ?? {};
    const manifest = join(larder.dataDirectory, 'snapshots', `${snapshotId}.json`);
    const text = await readFile(manifest, 'utf8');
    const [first = '', second = ''] = image.layers
      .map(({ diffId }) => diffId.slice('sha256:'.length))
      .map((hex) => join(layers, hex.slice(0, 2), `${hex}.erofs`));
    const shas = [await shaOf(first), await shaOf(second)];
    await until('the manifest is copied', async () => (await json('check')).Problems.length === 0);
    await sleep(2500);
    await larder.kill();
    await rm(first);
    await truncate(second, 4096);
    await rm(manifest);
    await writeFile(join(layers, '.tmp-half'), 'half');
    await larder.start();
    await until(
      'all is back',
      async () => (await json('check', '--deep').catch(() => ({ Problems: [1] }))).Problems.length === 0,
    );
    assert.deepEqual([await shaOf(first), await shaOf(second)], shas);
    assert.equal(await readFile(manifest, 'utf8'), text);
    assert.ok(!(await readdir(layers)).includes('.tmp-half'));
    // One line for each decision.
    const lines = larder.log().split('\n');
    const saying = (message: string) => lines.filter((line) => line.includes(message)).join('\n');
    assert.match(saying('removed a half-written file'), /layers\/sha256\/\.tmp-half/);
    const lost = saying('layer lost').split('\n');
    assert.equal(lost.length, 2);
    for (const { diffId } of image.layers.slice(0, 2)) assert.match(lost.join('\n'), new RegExp(diffId));
    assert.match(saying('snapshot manifest was lost'), new RegExp(snapshotId));
    assert.match(saying('start-up check done'), /"lost":2.*"restored":1/);
  });

  test('without its registry a layer stays away and the cache says what to do; an update brings it back', async () => {
    await using guarded = await startDockerRegistry({ user: USER });
    const image = await pushSmallImage({ ...guarded, user: USER }, { layers: 1 });
    const fields = {
      imageCacheName: 'guarded',
      image: [image.reference],
      plainHttpRegistry: guarded.host,
      imageRegistryCredential: [{ server: guarded.host, userName: USER.name, password: USER.password }],
    };
    const id = await client.create(fields);
    assert.equal((await client.waitUntilDone(id, TIMEOUT_MS)).status, 'Ready');
    const hex = image.layers[0]?.diffId.slice('sha256:'.length) ?? '';
    const path = join(layers, hex.slice(0, 2), `${hex}.erofs`);
    await flipBit(path);
    await assert.rejects(json('scrub', '--wait', '20'), /not rebuilt/);
    await assert.rejects(stat(path), { code: 'ENOENT' });
    assert.equal((await client.describe(id))?.status, 'Ready');
    const failed = (await eventsOf(id)).find(({ reason }) => reason === 'RepairFailed');
    assert.match(failed?.message ?? '', /Update the image cache/);
    await assert.rejects(json('check'), /1 problems/);

    // Another cache that has the layer and the password brings it back for both.
    const other = await client.create({ ...fields, imageCacheName: 'again' });
    assert.equal((await client.waitUntilDone(other, TIMEOUT_MS)).status, 'Ready');
    await until('repaired', async () => (await eventsOf(id)).some(({ reason }) => reason === 'Repaired'));
    assert.deepEqual((await json('check', '--deep')).Problems, []);
  });
});
