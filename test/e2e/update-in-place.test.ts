/** UpdateImageCache against a real registry: what is mounted stays, the new content is there once the cache is Ready again. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { listFiles } from '../support/list-files.ts';
import { skipWithout } from '../support/requirements.ts';
import { pushSmallImage } from '../support/small-image.ts';

const BUILD_TIMEOUT_MS = 60_000;
const GARBAGE_TIMEOUT_MS = 30_000;
const skip = skipWithout({ root: true, tools: ['docker-registry'], filesystems: ['erofs', 'overlay'] });

describe('a cache is updated in place', { skip }, () => {
  let registry: DockerRegistry;
  let larder: LarderServer;
  let directory: string;
  before(async () => {
    registry = await startDockerRegistry();
    larder = await startLarder({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
    directory = await mkdtemp(join(tmpdir(), 'larder-update-'));
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    if (directory) await rm(directory, { recursive: true });
  });

  test('the old root stays readable, the new one has the new files, a failed update keeps what there is', async () => {
    const [first, second] = [
      await pushSmallImage(registry, { layers: 1 }),
      await pushSmallImage(registry, { layers: 1 }),
    ];
    const client = createImageCacheClient(larder.endpoint);
    const id = await client.createReady([first.reference], BUILD_TIMEOUT_MS);
    const data = async (root: string) => readFile(join(directory, root, 'layer-0/data'));
    const mount = (reference: string, root: string) => larder.cli('mount', id, reference, join(directory, root));

    await mount(first.reference, 'old');
    try {
      const oldBytes = await data('old');
      await larder.cli('update', id, '--image', second.reference, '--wait');
      const updated = await client.describe(id);
      assert.deepEqual([updated?.status, updated?.images], ['Ready', [second.reference]]);
      await mount(second.reference, 'new');
      try {
        assert.deepEqual(await data('old'), oldBytes, 'what runs from the old content goes on');
        assert.notDeepEqual(await data('new'), oldBytes);
      } finally {
        await larder.cli('umount', join(directory, 'new'));
      }
    } finally {
      await larder.cli('umount', join(directory, 'old'));
    }

    const missing = `${registry.host}/test:missing`;
    await assert.rejects(larder.cli('update', id, '--image', missing, '--wait'), /not found|MANIFEST_UNKNOWN|missing/i);
    const failed = await client.describe(id);
    assert.deepEqual([failed?.status, failed?.images], ['UpdateFailed', [second.reference]]);
    assert.match(JSON.stringify(failed?.events), /FailedPull/);
    await mount(second.reference, 'kept');
    await larder.cli('umount', join(directory, 'kept'));

    // The layer of the first content belongs to nobody any more.
    const [kept] = second.layers.map(({ diffId }) => diffId.slice('sha256:'.length));
    const deadlineMs = Date.now() + GARBAGE_TIMEOUT_MS;
    let blobs: string[] = [];
    while (Date.now() < deadlineMs && blobs.length !== 1)
      blobs = await listFiles(join(larder.dataDirectory, 'layers/sha256'));
    assert.deepEqual(blobs, [`${kept?.slice(0, 2)}/${kept}.erofs`]);
  });
});
