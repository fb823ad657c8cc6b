import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { snapshotIdOf } from '../../src/caches/index.ts';
import type { CachePage, Store } from '../../src/store/ports.ts';
import { digestOf } from './blobs.ts';
import { ACCOUNT, create, finishReady, LEASE_MS, newCache, options, publish, REGION, read } from './store-fixtures.ts';

/** Accounts, nonces and image caches. */
export function describeCatalogContract(name: string, open: () => Promise<Store>): void {
  describe(`store contract: ${name}: accounts and nonces`, () => {
    let store: Store;
    before(async () => {
      store = await open();
    });
    after(() => store.close());

    test('an account is created with its first key; keys are put, found and listed', async () => {
      const key = { id: 'LRDR1', accountId: ACCOUNT, sealedSecret: 'sealed', active: true };
      await store.accounts.createAccount({ id: ACCOUNT, name: 'default', createdAtMs: 1 }, key);
      assert.deepEqual(await store.accounts.findAccessKey('LRDR1'), key);
      assert.equal(await store.accounts.findAccessKey('lrdr1'), undefined);
      await store.accounts.putAccessKey({ ...key, sealedSecret: 'other', active: false });
      await store.accounts.putAccessKey({ ...key, id: 'LRDR2' });
      const keys = await store.accounts.listAccessKeys();
      assert.deepEqual(
        keys.map(({ id, sealedSecret, active }) => [id, sealedSecret, active]),
        [
          ['LRDR1', 'other', false],
          ['LRDR2', 'sealed', true],
        ],
      );
    });

    test('an account that is there is not created again, nor is its key changed', async () => {
      const key = { id: 'LRDR3', accountId: ACCOUNT, sealedSecret: 'new', active: true };
      const again = store.accounts.createAccount({ id: ACCOUNT, name: 'again', createdAtMs: 2 }, key);
      await assert.rejects(again, { code: 'store.conflict' });
      assert.equal(await store.accounts.findAccessKey('LRDR3'), undefined);
    });

    const minutes = (count: number) => count * 60_000;

    test('a nonce is new once, per key, until it expires', async () => {
      const { nonces } = store;
      assert.equal(await nonces.remember('a', 'n', minutes(30), 0), true);
      assert.equal(await nonces.remember('a', 'n', minutes(45), minutes(15)), false);
      assert.equal(await nonces.remember('b', 'n', minutes(45), minutes(15)), true);
      assert.equal(await nonces.remember('a', 'n', minutes(60), minutes(30) - 1), false, 'it has not expired');
      assert.equal(await nonces.remember('a', 'n', minutes(61), minutes(31)), true, 'the first one has expired');
      assert.equal(await nonces.remember('a', 'n', minutes(62), minutes(32)), false);
    });

    test('of many at once with one nonce, one is new', async () => {
      const many = Array.from({ length: 20 }, () => store.nonces.remember('a', 'race', minutes(70), minutes(40)));
      assert.equal((await Promise.all(many)).filter((isNew) => isNew).length, 1);
    });

    test('expired nonces go without harm to the others', async () => {
      const now = minutes(50);
      const remember = (nonce: string, expiresIn: number, afterMs = 0) =>
        store.nonces.remember('p', nonce, now + afterMs + minutes(expiresIn), now + afterMs);
      for (let index = 0; index < 5_000; index++) await remember(`old${index}`, 1);
      assert.equal(await remember('kept', 30), true);
      for (let index = 0; index < 5_000; index++) {
        assert.equal(await remember(`old${index}`, 30, minutes(3)), true);
        assert.equal(await remember(`old${index}`, 30, minutes(3)), false);
      }
      assert.equal(await remember('kept', 30, minutes(3)), false);
    });
  });

  describe(`store contract: ${name}: image caches`, () => {
    let store: Store;
    before(async () => {
      store = await open();
    });
    after(() => store.close());

    test('a cache comes back as it was given, with and without its optional fields', async () => {
      const plain = newCache();
      const full = newCache({ retentionDays: 3, expiresAtMs: 9e12, lastMatchedAtMs: 5, eliminationStrategy: 'LRU' });
      for (const cache of [plain, full]) {
        await store.caches.create(cache, { id: cache.containerGroupId, options });
        assert.deepEqual(await read(store, cache), cache);
      }
    });

    test('accounts and regions never see each other', async () => {
      const cache = await create(store);
      for (const other of [{ accountId: '2' }, { regionId: 'other' }, { name: 'other' }]) {
        const filter = { accountId: ACCOUNT, regionId: REGION, id: cache.id, ...other };
        assert.deepEqual(await store.caches.find(filter, { limit: 10 }), { caches: [], total: 0 });
        if (!('name' in other)) assert.equal(await store.caches.delete(filter), false);
      }
      assert.ok(await read(store, cache));
    });

    test('pages: newest first then by id, each once while others come and go; the total is of the filter', async () => {
      const accountId = 'pages';
      const given = [5, 3, 3, 3, 9, 1].map((createdAtMs) => newCache({ accountId, createdAtMs }));
      for (const cache of given) await store.caches.create(cache, { id: cache.containerGroupId, options });
      const order = given
        .toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1))
        .map(({ id }) => id);

      const seen: string[] = [];
      let page: CachePage = { limit: 2 };
      for (;;) {
        const { caches, total } = await store.caches.find({ accountId, regionId: REGION }, page);
        assert.equal(total, given.length + seen.length / 2);
        const last = caches.at(-1);
        if (!last) break;
        seen.push(...caches.map(({ id }) => id));
        page = { limit: 2, after: { createdAtMs: last.createdAtMs, id: last.id } };
        await create(store, { accountId, createdAtMs: 100 });
      }
      assert.deepEqual(seen, order);
    });

    test('a name finds all caches of that name, page by page', async () => {
      const first = await create(store, { name: 'twin', createdAtMs: 1 });
      const second = await create(store, { name: 'twin', createdAtMs: 2 });
      const filter = { accountId: ACCOUNT, regionId: REGION, name: 'twin' };
      const page = await store.caches.find(filter, { limit: 1 });
      assert.deepEqual([page.caches.map(({ id }) => id), page.total], [[second.id], 2]);
      const next = await store.caches.find(filter, { limit: 5, after: { createdAtMs: 2, id: second.id } });
      assert.deepEqual([next.caches.map(({ id }) => id), next.total], [[first.id], 2]);
      const one = await store.caches.find(
        { ...filter, id: first.id },
        { limit: 5, after: { createdAtMs: 1, id: first.id } },
      );
      assert.deepEqual(one, { caches: [], total: 1 });
    });

    test('a cache is deleted once, with its build, its progress and its uses of layers', async () => {
      const cache = await create(store, { accountId: 'delete' });
      await publish(store, 901, cache);
      assert.ok(!(await store.layers.listUnreferenced()).includes(digestOf(901)));
      assert.equal(await store.caches.delete(cache), true);
      assert.equal(await store.caches.delete(cache), false);
      assert.ok((await store.layers.listUnreferenced()).includes(digestOf(901)));
      assert.deepEqual((await store.builds.progress(cache.id)).layers, []);
      assert.ok(!(await store.caches.snapshotIds()).has(snapshotIdOf(cache.containerGroupId)));
      assert.equal((await store.caches.find({ accountId: 'delete', regionId: REGION }, { limit: 1 })).total, 0);
    });

    test('expired caches are listed, the longest expired first, and deleted only while they are expired', async () => {
      const late = await create(store, { expiresAtMs: 200 });
      const early = await create(store, { expiresAtMs: 100 });
      assert.deepEqual(await store.caches.expired(99, 10), []);
      assert.deepEqual(
        (await store.caches.expired(200, 10)).map(({ id }) => id),
        [early.id, late.id],
      );
      assert.equal((await store.caches.expired(200, 1)).length, 1);
      assert.equal(await store.caches.nextExpiryMs(), 100);
      assert.equal(await store.caches.deleteExpired(early.id, 100), true);
      assert.equal(await store.caches.nextExpiryMs(), 200);
      assert.equal(await store.caches.deleteExpired(late.id, 199), false);
      assert.equal(await store.caches.deleteExpired(late.id, 200), true);
      assert.equal(await store.caches.deleteExpired(late.id, 200), false);
      assert.equal(await read(store, late), undefined);
    });

    test('snapshot ids: of caches, and of builds that are about to name one', async () => {
      const cache = await create(store, { accountId: 'snapshots', createdAtMs: 0 });
      const snapshotId = snapshotIdOf(cache.containerGroupId);
      assert.ok((await store.caches.snapshotIds()).has(snapshotId));
      const build = await store.builds.claim('snapshots', 2000, LEASE_MS);
      assert.equal(build?.id, cache.containerGroupId, 'the oldest');
      assert.equal(await finishReady(store, cache, { owner: 'snapshots', layers: [] }), true);
      assert.ok((await store.caches.snapshotIds()).has(snapshotId));
      await store.caches.delete(cache);
      assert.ok(!(await store.caches.snapshotIds()).has(snapshotId));
    });

    test('caches are counted by status', async () => {
      const counts = async () => {
        const found = await store.caches.countByStatus();
        return [found.get('Preparing') ?? 0, found.get('Ready') ?? 0];
      };
      const [preparing = 0, ready = 0] = await counts();
      const cache = await create(store, { accountId: 'counted', createdAtMs: -1 });
      assert.deepEqual(await counts(), [preparing + 1, ready]);
      assert.equal((await store.builds.claim('counted', 2000, LEASE_MS))?.id, cache.containerGroupId, 'the oldest');
      assert.equal(await finishReady(store, cache, { owner: 'counted', layers: [] }), true);
      assert.deepEqual(await counts(), [preparing, ready + 1]);
      await store.caches.delete(cache);
      assert.deepEqual(await counts(), [preparing, ready]);
    });

    test('the store answers', () => store.ping());
  });
}
