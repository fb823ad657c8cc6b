import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBuildHouse } from '../../test/support/build-house.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { type TarEntry, writeTar } from '../../test/support/tar-writer.ts';
import { startWorker } from './worker.ts';

const tarOf = (...entries: TarEntry[]) => Buffer.concat([...writeTar(entries)]);

test('a layer that would wait for one below ends with the build when that one has failed already', async (t) => {
  const house = await openBuildHouse(t);
  const lower = tarOf({ name: 'a', type: 'file', content: Buffer.from('one') });
  const image = buildImage({ layers: [lower, tarOf({ name: 'b', type: 'hardLink', linkName: 'a' })] });
  house.registry.putImage('app', image, '1');
  const [below, above] = image.layers;
  house.registry.script(`/blobs/${below?.descriptor.digest}`, () => ({ status: 403 }));
  const { store } = house.services;
  const [held, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const layers = {
    ...store.layers,
    async claim(...args: Parameters<typeof store.layers.claim>) {
      if (args[0] === below?.diffId) await held.promise;
      return store.layers.claim(...args);
    },
    /** The upper layer has learnt that it needs the lower one, and is held here until that one has failed. */
    async release(...args: Parameters<typeof store.layers.release>) {
      if (args[0] === above?.diffId) {
        held.resolve();
        await failed.promise;
        await sleep(50);
      }
      await store.layers.release(...args);
      if (args[0] === below?.diffId) failed.resolve();
    },
  };
  const worker = startWorker({ ...house.services, store: { ...store, layers } }, { name: 'held', maxBuilds: 1 });
  try {
    const { id } = await house.create([`${house.registry.host}/app:1`]);
    assert.equal((await house.ended(id))?.status, 'Failed');
  } finally {
    await worker.stop();
  }
});
