/** A build that the server's end interrupts, orderly or not, goes on after the next start and ends in Ready. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { startLarder } from '../support/larder-server.ts';
import { listFiles } from '../support/list-files.ts';
import { skipWithout } from '../support/requirements.ts';
import { startSlowProxy } from '../support/slow-proxy.ts';
import { pushSmallImage } from '../support/small-image.ts';

const LAYER_BYTES = 2_000_000;
const SLOW_BYTES_PER_SECOND = 400_000;
/** A killed server's lease has to lapse first. */
const FINISH_TIMEOUT_MS = 180_000;
const MIDDLE_TIMEOUT_MS = 30_000;

describe('a build in mid-download survives', { skip: skipWithout({ tools: ['docker-registry'] }) }, () => {
  let registry: DockerRegistry;
  before(async () => {
    registry = await startDockerRegistry();
  });
  after(async () => {
    await registry?.[Symbol.asyncDispose]();
  });

  for (const end of ['stop', 'kill'] as const) {
    test(end === 'stop' ? 'SIGTERM' : 'SIGKILL', async () => {
      const { reference, layers } = await pushSmallImage(registry, { bytes: LAYER_BYTES });
      await using proxy = await startSlowProxy(registry.host, SLOW_BYTES_PER_SECOND);
      await using larder = await startLarder();
      const client = createImageCacheClient(larder.endpoint);
      const image = [reference.replace(registry.host, proxy.host)];

      const id = await client.create({ imageCacheName: 'interrupted', image, plainHttpRegistry: proxy.host });
      const deadlineMs = Date.now() + MIDDLE_TIMEOUT_MS;
      while (proxy.bytes() < LAYER_BYTES / 2 && Date.now() < deadlineMs) await sleep(20);
      assert.ok(proxy.bytes() >= LAYER_BYTES / 2, `only ${proxy.bytes()} bytes came`);
      assert.match((await client.describe(id))?.status ?? '', /^(Preparing|Creating)$/);
      await larder[end]();
      proxy.setRate(Infinity);
      await larder.start();

      const cache = await client.waitUntilDone(id, FINISH_TIMEOUT_MS);
      assert.equal(cache.status, 'Ready', JSON.stringify(cache.events));
      assert.equal(cache.progress, '100%');
      const blobs = layers
        .map(({ diffId }) => diffId.slice('sha256:'.length))
        .map((hex) => `${hex.slice(0, 2)}/${hex}.erofs`);
      assert.deepEqual(await listFiles(join(larder.dataDirectory, 'layers/sha256')), blobs.toSorted());
      await larder.stop();
    });
  }
});
