import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ImageCache } from '../../src/caches/index.ts';
import { snapshotIdOf } from '../../src/caches/index.ts';
import { digestOfHex } from '../../src/lib/digest.ts';
import type { Store } from '../../src/store/ports.ts';
import { digestOf } from './blobs.ts';
import { create, finishReady, LEASE_MS, layerOf, publish, read } from './store-fixtures.ts';

/** Health: checks, losses, copies of manifests, what is left of what is gone. */
export function describeHealthContract(name: string, open: () => Promise<Store>): void {
  describe(`store contract: ${name}: health`, () => {
    let store: Store;
    let cache: ImageCache;
    let snapshotId: string;
    /** A Ready cache of layers 1 and 2, published at 1000. */
    beforeEach(async () => {
      store = await open();
      cache = await create(store);
      snapshotId = snapshotIdOf(cache.containerGroupId);
      await publish(store, 1, cache);
      await publish(store, 2, cache);
      await store.builds.claim('a', 0, LEASE_MS);
      await finishReady(store, cache, { owner: 'a', layers: [1, 2] });
    });
    afterEach(() => store.close());

    test('blobs come due in the order in which they were published or checked', async () => {
      assert.deepEqual(await store.health.dueBlobs(1000, 10), []);
      await store.health.recordCheck(digestOf(1), { blobDigest: digestOf(7), nowMs: 5000 });
      const due = async (beforeMs: number) =>
        (await store.health.dueBlobs(beforeMs, 10)).map(({ diffId, checkedAtMs }) => [diffId, checkedAtMs]);
      assert.deepEqual(await due(1001), [[digestOf(2), 1000]]);
      assert.deepEqual(await due(9000), [
        [digestOf(2), 1000],
        [digestOf(1), 5000],
      ]);
      const stored = await store.health.storedBlob(digestOf(1));
      assert.equal(stored?.blobDigest, layerOf(1).blobDigest, 'a digest that is known stays');
      const bytes = layerOf(1).blobBytes + layerOf(2).blobBytes;
      assert.deepEqual(await store.health.totals(), { blobs: 2, bytes, oldestCheckMs: 1000 });
    });

    test('pages of blobs and snapshots are whole and in order', async () => {
      const [first] = await store.health.storedBlobs({ limit: 1 });
      const [second] = await store.health.storedBlobs({ after: first?.diffId, limit: 1 });
      const all = await store.health.storedBlobs({ limit: 10 });
      assert.deepEqual([first, second], all);
      assert.deepEqual(all.map(({ diffId }) => diffId).toSorted(), [digestOf(1), digestOf(2)].toSorted());
      const row = { snapshotId, imageCacheId: cache.id, layers: 2 };
      assert.deepEqual(await store.health.snapshots({ limit: 10 }), [row]);
      assert.deepEqual(await store.health.snapshot(snapshotId), row);
      assert.deepEqual(await store.health.snapshots({ after: snapshotId, limit: 10 }), []);
    });

    test('a lost layer is given to nobody, keeps its uses, is converted by whoever wants it, and then is back', async () => {
      assert.equal(await store.health.lose(digestOf(1), { reason: 'missing', nowMs: 5000 }), true);
      assert.equal(await store.health.lose(digestOf(1), { reason: 'missing', nowMs: 5001 }), false);
      assert.equal(await store.layers.use(digestOf(1), snapshotId), undefined);
      assert.deepEqual(await store.health.unreferenced(9000), []);
      const lost = { diffId: digestOf(1), reason: 'missing', foundAtMs: 5000, attempts: 0, nextAttemptMs: 5000 };
      assert.deepEqual(await store.health.lost(), [{ ...lost, isBack: false }]);
      assert.deepEqual(await store.health.users(digestOf(1)), [
        { snapshotId, imageCacheId: cache.id, registries: cache.registries, sizeGib: cache.sizeGib },
      ]);
      await store.health.postponeRebuild(digestOf(1), { error: 'away', nextAttemptMs: 6000 });
      const postponed = { ...lost, attempts: 1, lastError: 'away', nextAttemptMs: 6000 };
      assert.deepEqual(await store.health.lost(), [{ ...postponed, isBack: false }]);
      await publish(store, 1, cache);
      assert.deepEqual(await store.health.lost(), [{ ...postponed, isBack: true }]);
      await store.health.forgetLoss(digestOf(1));
      assert.deepEqual(await store.health.lost(), []);
    });

    test('a lost layer of a deleted cache is collected, and its loss with it', async () => {
      await store.health.lose(digestOf(1), { reason: 'unreadable', nowMs: 5000 });
      await store.caches.delete(cache);
      assert.deepEqual((await store.health.unreferenced(9000)).toSorted(), [digestOf(1), digestOf(2)].toSorted());
      await store.layers.claimForRemoval(digestOf(1), { owner: 'c', nowMs: 9000, leaseMs: LEASE_MS });
      assert.deepEqual(await store.health.unreferenced(9000), [digestOf(2)], 'held by a collector');
      await store.layers.forget(digestOf(1), 'c');
      assert.deepEqual(await store.health.lost(), []);
      assert.deepEqual(await store.health.known([digestOf(1), digestOf(2)]), new Set([digestOf(2)]));
    });

    test('manifests are copied once a cache is Ready; the copy goes with the snapshot, which is then told as removed', async () => {
      const row = { snapshotId, imageCacheId: cache.id, layers: 2 };
      assert.deepEqual(await store.health.snapshotsWithoutCopy(10), [row]);
      await create(store);
      assert.deepEqual(await store.health.snapshotsWithoutCopy(10), [row], 'not those that builds are making');
      const text = '{"größe": 1}\n'.repeat(100);
      const digest = digestOfHex(hash('sha256', text, 'hex'));
      assert.equal(await store.health.keepCopy(snapshotId, { text, digest }), true);
      assert.deepEqual(await store.health.snapshotsWithoutCopy(10), []);
      assert.equal(await store.health.copyOf(snapshotId), text);
      assert.equal((await store.health.snapshot(snapshotId))?.copyDigest, digest);
      assert.deepEqual(await store.health.removedSnapshots(10), []);
      await store.caches.delete(cache);
      assert.equal(await store.health.copyOf(snapshotId), undefined);
      assert.equal(await store.health.keepCopy(snapshotId, { text, digest }), false);
      assert.deepEqual(await store.health.removedSnapshots(10), [snapshotId]);
      await store.health.forgetRemoved(snapshotId);
      assert.deepEqual(await store.health.removedSnapshots(10), []);
    });

    test('an event reaches the caches that are still there', async () => {
      const gone = await create(store);
      await store.caches.delete(gone);
      const event = { type: 'Warning', reason: 'Damaged', message: 'm' } as const;
      await store.health.addEvent([gone.id, cache.id], event, 9000);
      assert.equal((await read(store, cache))?.events.at(-1)?.reason, 'Damaged');
    });
  });
}
