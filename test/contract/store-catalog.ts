import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { type ImageCache, imageFilter, indexedImages, matchesImage, snapshotIdOf } from '../../src/caches/index.ts';
import type { CacheFilter, CacheList, HeldToken, Store } from '../../src/store/ports.ts';
import { create, finishReady, LEASE_MS, newCache, options, publish, REGION, read } from './store-fixtures.ts';

const scopeOf = (accountId: string) => ({ accountId, regionId: REGION });

/** Filters, changes, quota, tags, the feed of changes, and client tokens. */
export function describeCatalogDepthContract(name: string, open: () => Promise<Store>): void {
  describe(`store contract: ${name}: finding caches`, () => {
    let store: Store;
    before(async () => {
      store = await open();
    });
    after(() => store.close());

    test('every filter finds what a plain loop finds, by itself and with others, in pages and as views', async () => {
      const reference = fc.constantFrom(
        'nginx',
        'nginx:1',
        'r:5000/a/nginx:1',
        'a/nginx',
        'R/a/nginx',
        'b/redis@sha256:0',
      );
      const tag = fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.constantFrom('', 'x') });
      const cache = fc.record({
        name: fc.constantFrom('one', 'two'),
        images: fc.uniqueArray(reference, { minLength: 1, maxLength: 3 }),
        tags: fc.uniqueArray(tag, { maxLength: 3, selector: ({ key }) => key }),
        resourceGroupId: fc.constantFrom('rg-1', 'rg-2'),
        createdAtMs: fc.integer({ min: 1, max: 4 }),
      });
      const filter = fc.record(
        {
          name: fc.constantFrom('one', 'three'),
          image: fc.constantFrom(
            'nginx',
            'a/nginx',
            'A/nginx',
            'nginx:1',
            '%',
            'r:5000/a/nginx',
            'redis',
            'b/redis@sha256:0',
          ),
          tags: fc.array(fc.oneof(tag, fc.record({ key: fc.constantFrom('a', 'd') })), { maxLength: 2 }),
          resourceGroupId: fc.constantFrom('rg-1', 'rg-3'),
        },
        { requiredKeys: [] },
      );
      let runs = 0;
      await fc.assert(
        fc.asyncProperty(
          fc.array(cache, { maxLength: 12 }),
          fc.array(filter, { minLength: 1, maxLength: 5 }),
          async (given, filters) => {
            const accountId = `find-${++runs}`;
            const caches: ImageCache[] = [];
            for (const one of given) caches.push(await create(store, { ...one, accountId }));
            for (const some of filters) {
              const expected = caches
                .filter((one) => isLetThrough(one, some))
                .toSorted((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
              const whole = { ...scopeOf(accountId), ...some };
              assert.deepEqual(
                await allPages(store, whole),
                expected.map(({ id }) => id),
              );
              const list = await store.caches.list(whole, { limit: 100 });
              assert.deepEqual(JSON.parse(list.json.toString()), JSON.parse(JSON.stringify(expected)));
              assert.deepEqual([list.total, list.next], [expected.length, undefined]);
            }
          },
        ),
        { numRuns: 25 },
      );
    });

    test('lists page by page, as of the last commit each', async () => {
      const scope = scopeOf('list');
      const caches: ImageCache[] = [];
      for (const createdAtMs of [3, 2, 1]) caches.push(await create(store, { accountId: 'list', createdAtMs }));
      const ids = ({ json }: CacheList) => JSON.parse(json.toString()).map((one: ImageCache) => one.id);
      const [a, b, c] = caches.map(({ id }) => id);
      for (let again = 0; again < 2; again++) {
        const first = await store.caches.list(scope, { limit: 2 });
        assert.deepEqual([ids(first), first.total, first.next], [[a, b], 3, { createdAtMs: 2, id: b }]);
        const rest = await store.caches.list(scope, { limit: 2, ...(first.next ? { after: first.next } : {}) });
        assert.deepEqual([ids(rest), rest.total, rest.next], [[c], 3, undefined]);
      }
      await store.caches.delete({ ...scope, id: b ?? '' });
      const now = await store.caches.list(scope, { limit: 2 });
      assert.deepEqual([ids(now), now.total, now.next], [[a, c], 2, undefined]);
    });

    test('a snapshot finds its cache', async () => {
      const cache = await create(store, { accountId: 'snapshot', createdAtMs: 0 });
      await store.builds.claim('s', 10, LEASE_MS);
      await finishReady(store, cache, { owner: 's', layers: [] });
      const snapshotId = snapshotIdOf(cache.containerGroupId);
      assert.equal(
        (await store.caches.find({ ...scopeOf('snapshot'), snapshotId }, { limit: 9 })).caches[0]?.id,
        cache.id,
      );
      assert.equal((await store.caches.find({ ...scopeOf('snapshot'), snapshotId: 's-no' }, { limit: 9 })).total, 0);
    });

    test('tags are listed by cache and key, page by page, of caches with all wanted tags', async () => {
      const accountId = 'tags';
      const tags = [
        { key: 'a', value: '1' },
        { key: 'b', value: '2' },
      ];
      const both = await create(store, { accountId, tags });
      const one = await create(store, { accountId, tags: tags.slice(0, 1) });
      const all = await store.caches.tags(scopeOf(accountId), { limit: 10 });
      assert.deepEqual(all.length, 3);
      const [first] = all;
      assert.ok(first);
      const rest = await store.caches.tags(scopeOf(accountId), {
        limit: 10,
        after: { id: first.id, key: first.tag.key },
      });
      assert.deepEqual(rest, all.slice(1));
      const wanted = await store.caches.tags(
        { ...scopeOf(accountId), tags: [{ key: 'a' }, { key: 'b', value: '2' }] },
        { limit: 9 },
      );
      assert.deepEqual(
        wanted,
        tags.map((tag) => ({ id: both.id, tag })),
      );
      const byId = await store.caches.tags({ ...scopeOf(accountId), ids: [one.id] }, { limit: 9 });
      assert.deepEqual(byId, [{ id: one.id, tag: tags[0] }]);
      assert.deepEqual(await store.caches.tags({ ...scopeOf('other'), ids: [one.id] }, { limit: 9 }), []);
    });

    test('the regions of an account are those with caches', async () => {
      const cache = await create(store, { accountId: 'regions', regionId: 'b' });
      await create(store, { accountId: 'regions', regionId: 'a' });
      assert.deepEqual(await store.caches.regions('regions'), ['a', 'b']);
      const scope = { accountId: 'regions', regionId: 'b' };
      const has = async () => (await store.caches.scopes()).some((one) => isDeepStrictEqual(one, scope));
      assert.equal(await has(), true);
      await store.caches.delete(cache);
      assert.equal(await has(), false);
      assert.deepEqual(await store.caches.regions('regions'), ['a']);
    });
  });

  describe(`store contract: ${name}: changing caches`, () => {
    let store: Store;
    before(async () => {
      store = await open();
    });
    after(() => store.close());

    test('a change is found by what it changed, all caches or none', async () => {
      const accountId = 'change';
      const [a, b] = [await create(store, { accountId }), await create(store, { accountId })];
      const rename = (cache: ImageCache) => ({ cache: { ...cache, name: 'new', tags: [{ key: 'new', value: 'v' }] } });
      await store.caches.change(scopeOf(accountId), [a.id, b.id], rename, { nowMs: 1 });
      const found = await store.caches.find(
        { ...scopeOf(accountId), name: 'new', tags: [{ key: 'new' }] },
        { limit: 9 },
      );
      assert.equal(found.total, 2);
      const unknown = store.caches.change(
        scopeOf(accountId),
        [a.id, 'imc-no'],
        (cache) => ({ cache: { ...cache, name: 'x' } }),
        { nowMs: 1 },
      );
      await assert.rejects(unknown, { code: 'store.not-found', facts: { id: 'imc-no' } });
      await assert.rejects(store.caches.change(scopeOf('other'), [a.id], rename, { nowMs: 1 }), {
        code: 'store.not-found',
      });
      assert.equal((await read(store, { ...a, accountId }))?.name, 'new');
    });

    test('an update keeps the old content until the new is Ready, or for good when it fails', async () => {
      const cache = await create(store, { accountId: 'update', createdAtMs: 0 });
      await publish(store, 801, cache);
      await store.builds.claim('u', 10, LEASE_MS);
      await finishReady(store, cache, { owner: 'u', layers: [801] });
      const old = await read(store, cache);
      for (const [buildId, end] of [
        ['eci-update00000000000001', 'Failed'],
        ['eci-update00000000000002', 'Ready'],
      ] as const) {
        const build = { id: buildId, images: ['next'], options };
        const toUpdating = (one: ImageCache) => ({
          cache: { ...one, status: 'Updating' as const, containerGroupId: buildId },
          build,
        });
        await store.caches.change(cache, [cache.id], toUpdating, { nowMs: 20 });
        const claimed = await store.builds.claim('u', 20, LEASE_MS);
        assert.deepEqual([claimed?.images, claimed?.cache.images], [['next'], cache.images]);
        assert.ok((await store.caches.snapshotIds()).has(snapshotIdOf(buildId)));
        assert.equal((await read(store, cache))?.snapshotId, old?.snapshotId);
        const result =
          end === 'Ready'
            ? { status: end, snapshotId: snapshotIdOf(buildId), layers: [], events: [] }
            : { status: end, expiresAtMs: 99, events: [] };
        await store.builds.finish(buildId, 'u', result, 30);
        const now = await read(store, cache);
        const isNew = end === 'Ready';
        assert.equal(now?.status, isNew ? 'Ready' : 'UpdateFailed');
        assert.deepEqual(now?.images, isNew ? ['next'] : cache.images);
        assert.equal(now?.snapshotId, isNew ? snapshotIdOf(buildId) : old?.snapshotId);
        assert.equal(now?.expiresAtMs, undefined);
        const found = await store.caches.find({ ...scopeOf('update'), image: 'next' }, { limit: 1 });
        assert.equal(found.total, isNew ? 1 : 0);
      }
    });

    test('at the quota the least recently used LRU cache makes room, or nothing does', async () => {
      const accountId = 'quota';
      const kept = newCache({ accountId });
      await store.caches.create(kept, { id: kept.containerGroupId, options }, { maxCaches: 1 });
      const refused = newCache({ accountId });
      await assert.rejects(store.caches.create(refused, { id: refused.containerGroupId, options }, { maxCaches: 1 }), {
        code: 'store.quota-exceeded',
      });
      assert.equal(await read(store, refused), undefined);
      const lru = [3, 1, 2].map((createdAtMs) =>
        newCache({ accountId, createdAtMs, eliminationStrategy: 'LRU', status: 'Ready' }),
      );
      for (const cache of lru) await store.caches.create(cache, { id: cache.containerGroupId, options });
      const revision = await store.caches.feed.revision(accountId, REGION);
      const [, used] = lru;
      assert.ok(used);
      await store.caches.touch([{ ...scopeOf(accountId), id: used.id, matchedAtMs: 10 }]);
      assert.equal((await read(store, used))?.lastMatchedAtMs, 10);
      assert.equal(await store.caches.feed.revision(accountId, REGION), revision, 'nothing that a reader must follow');
      const next = newCache({ accountId });
      const { eliminated } = await store.caches.create(next, { id: next.containerGroupId, options }, { maxCaches: 4 });
      assert.deepEqual(eliminated, [lru[2]?.id]);
      assert.equal(await store.caches.count(scopeOf(accountId)), 4);
    });

    test('a token gives the first result again, and is bound to its parameters, its owner and its time', async () => {
      const key = { accountId: 'token', regionId: REGION, action: 'CreateImageCache', token: 't' };
      const call = { fingerprint: 'f', owner: 'a', nowMs: 100, leaseMs: 10, ttlMs: 1000 };
      const { tokens } = store;
      assert.deepEqual(await tokens.claim(key, call), { state: 'claimed' });
      assert.deepEqual(await tokens.claim(key, { ...call, owner: 'b' }), { state: 'running' });
      assert.deepEqual(await tokens.claim(key, { ...call, fingerprint: 'g' }), { state: 'mismatch' });
      assert.deepEqual(
        await tokens.claim(key, { ...call, owner: 'b', nowMs: 110 }),
        { state: 'claimed' },
        'the lease lapsed',
      );
      const make = (held: HeldToken) => {
        const cache = newCache({ accountId: 'token' });
        return store.caches.create(cache, { id: cache.containerGroupId, options }, { token: held });
      };
      await assert.rejects(make({ key, owner: 'a', result: 'lost' }), { code: 'lease.lost' });
      await make({ key, owner: 'b', result: '{"x":1}' });
      assert.equal(await store.caches.count(scopeOf('token')), 1, 'what lost the token left nothing');
      await tokens.release(key, 'b');
      assert.deepEqual(await tokens.claim(key, { ...call, nowMs: 500 }), { state: 'done', result: '{"x":1}' });
      assert.deepEqual(await tokens.claim(key, { ...call, nowMs: 1110 }), { state: 'claimed' }, 'its time is over');
      await tokens.release(key, 'a');
      assert.deepEqual(await tokens.claim(key, { ...call, fingerprint: 'g', nowMs: 1111 }), { state: 'claimed' });
    });

    test('the feed tells every change once, in order, and what is gone', async () => {
      const scope = scopeOf('feed');
      const { feed } = store.caches;
      assert.equal(await feed.revision('feed', REGION), 0);
      const caches = [];
      for (let index = 0; index < 5; index++) caches.push(await create(store, { accountId: 'feed' }));
      const began = await feed.revision('feed', REGION);
      const seen: string[] = [];
      let position = 0;
      for (;;) {
        const page = await feed.changes(scope, { after: position, began, limit: 2 });
        seen.push(...page.entries.map(({ id }) => id));
        position = page.revision;
        if (page.entries.length < 2) break;
      }
      assert.deepEqual(
        seen,
        caches.map(({ id }) => id),
      );
      assert.equal(position, began);
      const [gone, renamed] = caches;
      assert.ok(gone && renamed);
      await store.caches.delete(gone);
      await store.caches.change(scope, [renamed.id], (cache) => ({ cache: { ...cache, name: 'x' } }), { nowMs: 1 });
      const news = await feed.changes(scope, { after: position, began, limit: 10 });
      assert.deepEqual([news.entries.map(({ id }) => id), news.removed.map(({ id }) => id)], [[renamed.id], [gone.id]]);
      assert.equal(news.revision, await feed.revision('feed', REGION));
      assert.deepEqual(await feed.changes(scope, { after: news.revision, began, limit: 10 }), {
        ...news,
        entries: [],
        removed: [],
      });
    });
  });
}

function isLetThrough(cache: ImageCache, filter: Partial<CacheFilter>): boolean {
  const { name, resourceGroupId, image, tags = [] } = filter;
  return (
    (name === undefined || cache.name === name) &&
    (resourceGroupId === undefined || cache.resourceGroupId === resourceGroupId) &&
    (image === undefined || indexedImages(cache.images).some((one) => matchesImage(imageFilter(image), one))) &&
    tags.every((want) => cache.tags.some(({ key, value }) => key === want.key && (want.value ?? value) === value))
  );
}

async function allPages(store: Store, filter: CacheFilter): Promise<string[]> {
  const ids: string[] = [];
  let last: { createdAtMs: number; id: string } | undefined;
  for (;;) {
    const { caches } = await store.caches.find(filter, { limit: 3, ...(last ? { after: last } : {}) });
    ids.push(...caches.map(({ id }) => id));
    last = caches.at(-1);
    if (!last) return ids;
  }
}
