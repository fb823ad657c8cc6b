import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { MAX_EVENTS, snapshotIdOf } from '../../src/caches/index.ts';
import type { LayerProgress, Store } from '../../src/store/ports.ts';
import { digestOf } from './blobs.ts';
import { create, finishReady, LEASE_MS, options, publish, read } from './store-fixtures.ts';

const failed = { status: 'Failed', expiresAtMs: 9000, events: [] } as const;

/** The database as the queue. */
export function describeBuildContract(name: string, open: () => Promise<Store>): void {
  describe(`store contract: ${name}: builds`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store.close());

    test('the oldest free build is claimed, with its options and credentials, once', async () => {
      const second = await create(store, { createdAtMs: 20 });
      const first = await create(store, { createdAtMs: 10 });
      const build = await store.builds.claim('a', 100, LEASE_MS);
      assert.deepEqual(build, { id: first.containerGroupId, cache: first, images: first.images, options, attempt: 1 });
      assert.equal((await store.builds.claim('b', 100, LEASE_MS))?.id, second.containerGroupId);
      assert.equal(await store.builds.claim('c', 100, LEASE_MS), undefined);
    });

    test('of many workers at once, each build goes to one', async () => {
      for (let index = 0; index < 5; index++) await create(store);
      const claims = Array.from({ length: 12 }, (_, index) => store.builds.claim(`w${index}`, 2000, LEASE_MS));
      const ids = (await Promise.all(claims)).flatMap((build) => build?.id ?? []);
      assert.equal(ids.length, 5);
      assert.equal(new Set(ids).size, 5);
    });

    test('a lapsed lease is taken over, and the one who lost it can change nothing any more', async () => {
      const cache = await create(store);
      const id = cache.containerGroupId;
      await store.builds.claim('slow', 0, LEASE_MS);
      assert.equal(await store.builds.renew(id, 'slow', 1500), true);
      assert.equal(await store.builds.claim('fast', 1499, LEASE_MS), undefined);
      assert.equal((await store.builds.claim('fast', 1500, LEASE_MS))?.attempt, 2);
      assert.equal(await store.builds.renew(id, 'slow', 9000), false);
      assert.equal(await store.builds.update(id, 'slow', { status: 'Creating' }, 1501), false);
      assert.equal(await store.builds.finish(id, 'slow', failed, 1501), false);
      await store.builds.release(id, 'slow');
      assert.equal(await store.builds.claim('third', 1501, LEASE_MS), undefined);
      assert.equal((await read(store, cache))?.status, 'Preparing');
    });

    test('a lapsed lease that nobody took is still held', async () => {
      const { containerGroupId: id } = await create(store);
      await store.builds.claim('a', 0, LEASE_MS);
      assert.equal(await store.builds.renew(id, 'a', 9000), true);
      assert.equal(await store.builds.claim('b', 5000, LEASE_MS), undefined);
    });

    test('a build that is given back goes on at once, and the attempt does not count', async () => {
      const { containerGroupId: id } = await create(store);
      await store.builds.claim('a', 0, LEASE_MS);
      await store.builds.release(id, 'a');
      const again = await store.builds.claim('b', 1, LEASE_MS);
      assert.deepEqual([again?.id, again?.attempt], [id, 1]);
    });

    test('progress, status and events are recorded; a status that may not follow is ignored', async () => {
      const cache = await create(store);
      const id = cache.containerGroupId;
      await store.builds.claim('a', 0, LEASE_MS);
      const layer: LayerProgress = {
        imageIndex: 0,
        layerIndex: 1,
        digest: digestOf(7),
        downloadedBytes: 5,
        totalBytes: 10,
        state: 'pulling',
      };
      const event = { type: 'Normal', reason: 'Pulling', message: 'start to pull images' } as const;
      assert.equal(
        await store.builds.update(id, 'a', { progressPercent: 50, layers: [layer], events: [event, event] }, 5),
        true,
      );
      assert.deepEqual((await store.builds.progress(cache.id)).layers, [layer]);
      await store.builds.update(id, 'a', { progressPercent: 40, status: 'Ready' }, 6);
      const pulling = await read(store, cache);
      assert.deepEqual([pulling?.status, pulling?.progressPercent], ['Preparing', 50]);
      assert.deepEqual(
        pulling?.events.map(({ reason, count, lastTimestampMs }) => [reason, count, lastTimestampMs]),
        [['Pulling', 2, 5]],
      );
      await store.builds.update(id, 'a', { status: 'Creating', progressPercent: 3 }, 7);
      await store.builds.update(id, 'a', { status: 'Preparing' }, 8);
      const creating = await read(store, cache);
      assert.deepEqual([creating?.status, creating?.progressPercent], ['Creating', 3]);
    });

    test('the newest events are kept', async () => {
      const cache = await create(store);
      await store.builds.claim('a', 0, LEASE_MS);
      for (let index = 0; index < MAX_EVENTS + 3; index++) {
        const events = [{ type: 'Normal', reason: 'Pulled', message: `image ${index}` } as const];
        await store.builds.update(cache.containerGroupId, 'a', { events }, index);
      }
      const events = (await read(store, cache))?.events ?? [];
      assert.equal(events.length, MAX_EVENTS);
      assert.equal(events.at(-1)?.message, `image ${MAX_EVENTS + 2}`);
      assert.equal(new Set(events.map((event) => event.name)).size, MAX_EVENTS);
    });

    test('Ready: status, progress, snapshot and layers in one; the build is over', async () => {
      const cache = await create(store);
      await store.builds.claim('a', 0, LEASE_MS);
      await publish(store, 1, cache);
      await publish(store, 2, cache);
      assert.equal(await finishReady(store, cache, { owner: 'a', layers: [1, 2, 1] }), true);
      const ready = await read(store, cache);
      assert.deepEqual(
        [ready?.status, ready?.progressPercent, ready?.snapshotId],
        ['Ready', 100, snapshotIdOf(cache.containerGroupId)],
      );
      assert.deepEqual((await store.builds.progress(cache.id)).layers, []);
      assert.equal(await store.builds.renew(cache.containerGroupId, 'a', 9000), false);
      assert.equal(await store.builds.claim('b', 9000, LEASE_MS), undefined);
      assert.deepEqual(await store.layers.listUnreferenced(), []);
    });

    test('Ready with a layer that is not there is refused, and nothing of it is kept', async () => {
      const cache = await create(store);
      await store.builds.claim('a', 0, LEASE_MS);
      await publish(store, 1, cache);
      await assert.rejects(finishReady(store, cache, { owner: 'a', layers: [1, 2] }), { code: 'store.layer-missing' });
      const still = await read(store, cache);
      assert.deepEqual([still?.status, still?.snapshotId], ['Creating', undefined]);
      assert.equal(await store.builds.finish(cache.containerGroupId, 'a', failed, 3), true, 'the build is still there');
    });

    test('Ready may not follow Preparing', async () => {
      const cache = await create(store);
      await store.builds.claim('a', 0, LEASE_MS);
      const result = { status: 'Ready', snapshotId: 's', layers: [], events: [] } as const;
      await assert.rejects(store.builds.finish(cache.containerGroupId, 'a', result, 1), {
        code: 'store.bad-transition',
      });
    });

    test('Failed: the cache stays until it expires, its layers are free', async () => {
      const cache = await create(store);
      await store.builds.claim('a', 0, LEASE_MS);
      await publish(store, 1, cache);
      const event = { type: 'Warning', reason: 'FailedPull', message: 'no such image', object: 'nginx' } as const;
      await store.builds.finish(cache.containerGroupId, 'a', { ...failed, events: [event] }, 5);
      const after = await read(store, cache);
      assert.deepEqual([after?.status, after?.expiresAtMs, after?.events[0]?.object], ['Failed', 9000, 'nginx']);
      assert.deepEqual(await store.layers.listUnreferenced(), [digestOf(1)]);
    });

    test('a failed update keeps the old content and its layers', async () => {
      const cache = await create(store, { status: 'Updating', snapshotId: 's-00000000000000000001' });
      await store.builds.claim('a', 0, LEASE_MS);
      await store.builds.finish(cache.containerGroupId, 'a', failed, 5);
      const after = await read(store, cache);
      assert.deepEqual(
        [after?.status, after?.snapshotId, after?.expiresAtMs],
        ['UpdateFailed', cache.snapshotId, undefined],
      );
    });

    test('deleting the cache ends the build under way', async () => {
      const cache = await create(store);
      const id = cache.containerGroupId;
      await store.builds.claim('a', 0, LEASE_MS);
      await store.caches.delete(cache);
      assert.equal(await store.builds.renew(id, 'a', 9000), false);
      assert.equal(await store.builds.update(id, 'a', { status: 'Creating' }, 1), false);
      assert.equal(await store.builds.finish(id, 'a', failed, 1), false);
      await store.builds.release(id, 'a');
      assert.equal(await store.builds.claim('b', 9000, LEASE_MS), undefined);
    });
  });
}
