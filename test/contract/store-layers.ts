import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ImageCache } from '../../src/caches/index.ts';
import { snapshotIdOf } from '../../src/caches/index.ts';
import type { Store } from '../../src/store/ports.ts';
import { digestOf } from './blobs.ts';
import { create, finishReady, LEASE_MS, layerOf, publish } from './store-fixtures.ts';

/** Layers: single flight, uses, removal. */
export function describeLayerContract(name: string, open: () => Promise<Store>): void {
  describe(`store contract: ${name}: layers`, () => {
    let store: Store;
    let cache: ImageCache;
    let snapshotId: string;
    beforeEach(async () => {
      store = await open();
      cache = await create(store);
      snapshotId = snapshotIdOf(cache.containerGroupId);
    });
    afterEach(() => store.close());

    const by = (owner: string, nowMs: number) => ({ owner, snapshotId, nowMs, leaseMs: LEASE_MS });
    const collector = (nowMs: number) => ({ owner: 'collector', nowMs, leaseMs: LEASE_MS });

    test('one converts, the others wait, then all have it', async () => {
      const claims = await Promise.all(['a', 'b', 'c'].map((owner) => store.layers.claim(digestOf(1), by(owner, 0))));
      assert.deepEqual(claims.map(({ state }) => state).toSorted(), ['busy', 'busy', 'claimed']);
      const owner = ['a', 'b', 'c'][claims.findIndex(({ state }) => state === 'claimed')] ?? '';
      assert.equal(await store.layers.use(digestOf(1), snapshotId), undefined);
      assert.equal(await store.layers.publish(layerOf(1), by(owner, 5)), true);
      assert.deepEqual(await store.layers.claim(digestOf(1), by('b', 6)), { state: 'ready', layer: layerOf(1) });
      assert.deepEqual(await store.layers.use(digestOf(1), snapshotId), layerOf(1));
    });

    test('a lapsed claim is taken over; the one who lost it can neither renew nor publish', async () => {
      await store.layers.claim(digestOf(1), by('slow', 0));
      assert.equal(await store.layers.renew(digestOf(1), 'slow', 1500), true);
      assert.equal((await store.layers.claim(digestOf(1), by('fast', 1499))).state, 'busy');
      assert.equal((await store.layers.claim(digestOf(1), by('fast', 1500))).state, 'claimed');
      assert.equal(await store.layers.renew(digestOf(1), 'slow', 9000), false);
      assert.equal(await store.layers.publish(layerOf(1), by('slow', 1501)), false);
      await store.layers.release(digestOf(1), 'slow');
      assert.equal((await store.layers.claim(digestOf(1), by('third', 1502))).state, 'busy');
      assert.equal(await store.layers.publish(layerOf(1), by('fast', 1503)), true);
    });

    test('a claim that is given back is free at once, and garbage collection sees what may lie there', async () => {
      await store.layers.claim(digestOf(1), by('a', 0));
      await store.layers.release(digestOf(1), 'a');
      assert.deepEqual(await store.layers.listUnreferenced(), [digestOf(1)]);
      assert.equal((await store.layers.claim(digestOf(1), by('b', 1))).state, 'claimed');
    });

    test('a published layer has no lease: publishing or renewing it again changes nothing', async () => {
      await publish(store, 1, cache);
      assert.equal(await store.layers.publish({ ...layerOf(1), blobBytes: 1 }, by('publisher', 9)), false);
      assert.equal(await store.layers.renew(digestOf(1), 'publisher', 9000), false);
      assert.deepEqual(await store.layers.use(digestOf(1), snapshotId), layerOf(1));
    });

    test('a layer in use is not removed: by a build under way, then by the cache', async () => {
      await publish(store, 1, cache);
      assert.deepEqual(await store.layers.listUnreferenced(), []);
      assert.equal(await store.layers.claimForRemoval(digestOf(1), collector(9000)), false);
      await store.builds.claim('a', 0, LEASE_MS);
      await finishReady(store, cache, { owner: 'a', layers: [1] });
      assert.equal(await store.layers.claimForRemoval(digestOf(1), collector(9000)), false);
      await store.caches.delete(cache);
      assert.deepEqual(await store.layers.listUnreferenced(), [digestOf(1)]);
      assert.equal(await store.layers.claimForRemoval(digestOf(1), collector(9000)), true);
    });

    test('a layer that a cache does not name in the end is free', async () => {
      await publish(store, 1, cache);
      await publish(store, 2, cache);
      await store.builds.claim('a', 0, LEASE_MS);
      await finishReady(store, cache, { owner: 'a', layers: [2] });
      assert.deepEqual(await store.layers.listUnreferenced(), [digestOf(1)]);
    });

    test('while a layer is being removed nobody uses or converts it; afterwards it is converted anew', async () => {
      await publish(store, 1, cache);
      await store.caches.delete(cache);
      cache = await create(store);
      snapshotId = snapshotIdOf(cache.containerGroupId);
      assert.equal(await store.layers.claimForRemoval(digestOf(1), collector(0)), true);
      assert.equal(await store.layers.use(digestOf(1), snapshotId), undefined);
      assert.equal((await store.layers.claim(digestOf(1), by('a', 1))).state, 'busy');
      await store.layers.forget(digestOf(1), 'collector');
      assert.deepEqual(await store.layers.listUnreferenced(), []);
      assert.equal((await store.layers.claim(digestOf(1), by('a', 2))).state, 'claimed');
    });

    test('of a use and a removal at once, one wins', async () => {
      await publish(store, 1, cache);
      await store.caches.delete(cache);
      cache = await create(store);
      snapshotId = snapshotIdOf(cache.containerGroupId);
      const [used, removed] = await Promise.all([
        store.layers.use(digestOf(1), snapshotId),
        store.layers.claimForRemoval(digestOf(1), collector(0)),
      ]);
      assert.notEqual(used !== undefined, removed);
    });

    test('a removal whose collector died is taken over by a build, and its late end changes nothing', async () => {
      await publish(store, 1, cache);
      await store.caches.delete(cache);
      cache = await create(store);
      snapshotId = snapshotIdOf(cache.containerGroupId);
      await store.layers.claimForRemoval(digestOf(1), collector(0));
      assert.equal((await store.layers.claim(digestOf(1), by('a', LEASE_MS))).state, 'claimed');
      await store.layers.forget(digestOf(1), 'collector');
      assert.equal(await store.layers.publish(layerOf(1), by('a', LEASE_MS + 1)), true);
    });

    test('a layer under conversion is not removed; a blob without a record may be', async () => {
      await store.layers.claim(digestOf(1), by('a', 0));
      assert.equal(await store.layers.claimForRemoval(digestOf(1), collector(1)), false);
      assert.equal(await store.layers.claimForRemoval(digestOf(2), collector(1)), true);
      assert.equal((await store.layers.claim(digestOf(2), by('a', 2))).state, 'busy');
    });

    test('when the cache is gone, its build is told so; the layer it converted is kept for others', async () => {
      await publish(store, 1, cache);
      await store.layers.claim(digestOf(2), by('a', 0));
      await store.caches.delete(cache);
      await assert.rejects(store.layers.use(digestOf(1), snapshotId), { code: 'lease.lost' });
      assert.equal(await store.layers.publish(layerOf(2), by('a', 1)), true);
      assert.deepEqual((await store.layers.listUnreferenced()).toSorted(), [digestOf(1), digestOf(2)]);
    });
  });
}
