/** What no image cache uses goes, and nothing else. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient, type ImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { listFiles } from '../support/list-files.ts';
import { skipWithout } from '../support/requirements.ts';
import { pushSmallImage } from '../support/small-image.ts';
import { until } from '../support/until.ts';

const TIMEOUT_MS = 30_000;
const mountSkip = skipWithout({ root: true, filesystems: ['erofs', 'overlay'] });

describe('garbage collection', { skip: skipWithout({ tools: ['docker-registry'] }) }, () => {
  let registry: DockerRegistry;
  let larder: LarderServer;
  let client: ImageCacheClient;
  let layers: string;

  before(async () => {
    registry = await startDockerRegistry();
    larder = await startLarder();
    client = createImageCacheClient(larder.endpoint);
    layers = join(larder.dataDirectory, 'layers/sha256');
    await client.createReady([(await pushSmallImage(registry)).reference], TIMEOUT_MS);
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  const json = async (...args: string[]) =>
    JSON.parse(await larder.cli(...args, '--data', larder.dataDirectory, '--output', 'json'));

  test('gc says what would go, leaves what is new, and frees what nothing names', async () => {
    const orphan = join(layers, 'ee', `${'ee'.repeat(32)}.erofs`);
    const [some = ''] = await listFiles(layers);
    await mkdir(join(layers, 'ee'), { recursive: true });
    await copyFile(join(layers, some), orphan);
    const { size } = await stat(orphan);
    const young = await json('gc', '--dry-run');
    assert.deepEqual(young.Layers, []);
    assert.deepEqual(young.Kept, [{ Layer: `sha256:${'ee'.repeat(32)}`, Bytes: size, Reason: 'young' }]);
    const dry = await json('gc', '--dry-run', '--grace', '0');
    assert.deepEqual([dry.FreedBytes, dry.Layers[0].Reason], [size, 'orphan']);
    await stat(orphan);
    const real = await json('gc', '--grace', '0');
    assert.equal(real.FreedBytes, size);
    await assert.rejects(stat(orphan), { code: 'ENOENT' });
    assert.deepEqual((await json('check')).Problems, []);
  });

  test('a blob that is mounted stays until it is unmounted, whoever collects', { skip: mountSkip }, async () => {
    const image = await pushSmallImage(registry, { layers: 2 });
    const id = await client.createReady([image.reference], TIMEOUT_MS);
    const diffIds = image.layers.map(({ diffId }) => diffId).toSorted();
    const there = async () => {
      const names = await listFiles(layers);
      return diffIds.filter((diffId) => names.some((name) => name.includes(diffId.slice('sha256:'.length))));
    };
    const target = join(larder.dataDirectory, '..', 'mounted');
    await larder.cli('mount', id, image.reference, target, '--data', larder.dataDirectory);
    try {
      await client.delete(id);
      const { Kept } = await json('gc', '--grace', '0');
      const kept: string[] = Kept.map((blob: { Layer: string; Reason: string }) => `${blob.Reason} ${blob.Layer}`);
      assert.deepEqual(
        kept.toSorted(),
        diffIds.map((diffId) => `attached ${diffId}`),
      );
      assert.deepEqual(await there(), diffIds);
      assert.equal((await listFiles(target)).length, 2);
    } finally {
      await larder.cli('umount', target, '--data', larder.dataDirectory);
    }
    await json('gc', '--grace', '0');
    await until('the blobs are gone', async () => (await there()).length === 0);
  });

  test('deleting a cache gives its space back within a second', async () => {
    const image = await pushSmallImage(registry, { layers: 2 });
    const id = await client.createReady([image.reference], TIMEOUT_MS);
    const { snapshotId = '' } = (await client.describe(id)) ?? {};
    const paths = image.layers.map(({ diffId }) => {
      const hex = diffId.slice('sha256:'.length);
      return join(layers, hex.slice(0, 2), `${hex}.erofs`);
    });
    await client.delete(id);
    const files = [...paths, join(larder.dataDirectory, 'snapshots', `${snapshotId}.json`)];
    const areGone = async () => {
      const left = await Promise.allSettled(files.map((path) => stat(path)));
      return left.every(({ status }) => status === 'rejected');
    };
    await until('blobs and manifest are gone', areGone, () => larder.log().slice(-3000));
  });
});
