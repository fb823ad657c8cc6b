import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { ACCOUNT_ID, openApi, REGION_ID } from '../../test/support/open-api.ts';
import type { CacheFeed, FeedEntry } from '../store/ports.ts';
import { createMatchCatalog } from './match-catalog.ts';

const pause = () => setImmediate();
const bounds = { maxIndexes: 10, maxCaches: 1000, slice: 3, maxWaitMs: 10_000 };
const images = ['nginx'];

/** A feed in memory for every scope alike, which counts what it is asked. */
function memoryFeed() {
  const entries = new Map<string, FeedEntry>();
  let removed: { id: string; revision: number }[] = [];
  let [revision, floor, read, asked, readers, mostReaders] = [0, 0, 0, 0, 0, 0];
  const feed: CacheFeed = {
    async revision() {
      await setImmediate();
      asked++;
      return revision;
    },
    async changes(_scope, { after, began, limit }) {
      mostReaders = Math.max(mostReaders, ++readers);
      await setImmediate();
      readers--;
      const since = Math.max(after, began);
      if (since < floor) return { entries: [], removed: [], revision: 0, reset: true };
      const rows = [...entries.values()]
        .filter((entry) => entry.revision > after)
        .toSorted((a, b) => a.revision - b.revision)
        .slice(0, limit);
      read += rows.length;
      const upTo = rows.length < limit ? revision : (rows.at(-1)?.revision ?? revision);
      const gone = removed.filter((one) => one.revision > since && one.revision <= upTo);
      return { entries: rows, removed: gone, revision: upTo, reset: false };
    },
  };
  return {
    feed,
    entries,
    revision: () => revision,
    counts: () => ({ read, asked, mostReaders }),
    put: (id: string, status: FeedEntry['status'] = 'Ready', held: readonly string[] = images) => {
      entries.set(id, { id, status, images: held, sizeGib: 20, createdAtMs: 0, revision: ++revision });
    },
    remove: (id: string) => {
      if (entries.delete(id)) removed.push({ id, revision: ++revision });
    },
    /** Forgets removals, so that those who did not hear of them must begin again. */
    forget: () => {
      floor = removed.at(-1)?.revision ?? floor;
      removed = [];
    },
  };
}

test('whatever changes, in whichever steps, a query sees all that was there before it', async () => {
  const id = fc.integer({ min: 0, max: 15 }).map(String);
  const status = fc.constantFrom('Ready' as const, 'Ready' as const, 'Updating' as const, 'Creating' as const);
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('put' as const), id, status }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), id }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('find' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('find twice' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), async (steps) => {
      const { feed, entries, put, remove, forget } = memoryFeed();
      const catalog = createMatchCatalog(feed, { pause, bounds });
      const check = async () => {
        const found = await catalog.find('a', 'r', { images, limit: 100 });
        const ready = [...entries.values()].filter((entry) => entry.status === 'Ready');
        assert.deepEqual(found.matches.map((match) => match.id).toSorted(), ready.map((entry) => entry.id).toSorted());
      };
      // An id never comes back once its cache was removed.
      let generation = 0;
      for (const one of steps) {
        if (one.do === 'put') put(`${one.id}-${generation}`, one.status);
        if (one.do === 'remove') for (const key of entries.keys()) if (key.startsWith(`${one.id}-`)) remove(key);
        if (one.do === 'remove') generation++;
        if (one.do === 'forget') forget();
        if (one.do === 'find') await check();
        if (one.do === 'find twice') await Promise.all([check(), check()]);
      }
      await check();
    }),
    { numRuns: 60 },
  );
});

test('queries at the same time share one refresh, and each cache is read once', async () => {
  const { feed, put, counts } = memoryFeed();
  for (let number = 0; number < 20; number++) put(String(number));
  const catalog = createMatchCatalog(feed, { pause, bounds });
  const found = await Promise.all(Array.from({ length: 8 }, () => catalog.find('a', 'r', { images, limit: 100 })));
  for (const { total } of found) assert.equal(total, 20);
  assert.deepEqual([counts().read, counts().mostReaders], [20, 1]);
});

test('a change during a refresh is seen by a query that comes after it', async () => {
  const { feed, put } = memoryFeed();
  for (let number = 0; number < 20; number++) put(String(number));
  const catalog = createMatchCatalog(feed, { pause, bounds });
  const first = catalog.find('a', 'r', { images, limit: 100 });
  for (let turn = 0; turn < 5; turn++) await setImmediate();
  put('late', 'Ready', ['redis']);
  const late = await catalog.find('a', 'r', { images: ['redis'], limit: 1 });
  assert.equal(late.total, 1);
  await first;
});

test('an index that is still being built is not asked, though it has come far enough', async () => {
  const { feed, put, revision } = memoryFeed();
  for (let number = 0; number < 18; number++) put(String(number));
  const known = revision();
  const farEnough = Promise.withResolvers<void>();
  let asked = 0;
  const catalog = createMatchCatalog(
    {
      async revision() {
        // The second query learns late what the revision was when it came.
        if (++asked === 3) await farEnough.promise.then(() => known);
        return asked >= 3 ? known : revision();
      },
      async changes(...args) {
        const result = await feed.changes(...args);
        if (result.revision >= known) farEnough.resolve();
        return result;
      },
    },
    { pause, bounds },
  );
  const first = catalog.find('a', 'r', { images, limit: 100 });
  await setImmediate();
  for (const id of ['18', '19', '20', '0']) put(id);
  const second = await catalog.find('a', 'r', { images, limit: 100 });
  assert.ok(second.matches.some(({ id }) => id === '0'));
  await first;
});

test('a failing feed fails the query and not the next one', async () => {
  const { feed, put } = memoryFeed();
  put('one');
  let failing = true;
  const changes: CacheFeed['changes'] = async (...args) => {
    if (failing) throw new Error('database is gone');
    return feed.changes(...args);
  };
  const catalog = createMatchCatalog({ ...feed, changes }, { pause, bounds });
  await assert.rejects(catalog.find('a', 'r', { images, limit: 1 }), /database is gone/);
  failing = false;
  assert.equal((await catalog.find('a', 'r', { images, limit: 1 })).total, 1);
});

test('the least recently asked index goes when there are too many, and when they hold too much', async () => {
  for (const bound of [{ maxIndexes: 2 }, { maxCaches: 25 }]) {
    const { feed, put, counts } = memoryFeed();
    for (let number = 0; number < 10; number++) put(String(number));
    const catalog = createMatchCatalog(feed, { pause, bounds: { ...bounds, ...bound } });
    await catalog.warm(['a', 'b', 'a', 'c'].map((accountId) => ({ accountId, regionId: 'r' })));
    assert.equal(counts().read, 30);
    await catalog.warm(['a', 'c'].map((accountId) => ({ accountId, regionId: 'r' })));
    assert.equal(counts().read, 30);
    await catalog.find('b', 'r', { images, limit: 1 });
    assert.equal(counts().read, 40);
  }
});

test('an index larger than the bound stays while it is the one asked', async () => {
  const { feed, put, counts } = memoryFeed();
  for (let number = 0; number < 10; number++) put(String(number));
  const catalog = createMatchCatalog(feed, { pause, bounds: { ...bounds, maxCaches: 5 } });
  for (let time = 0; time < 2; time++) assert.equal((await catalog.find('a', 'r', { images, limit: 1 })).total, 10);
  assert.equal(counts().read, 10);
});

test('over a real store: Ready caches only, of the account and region only, gone once deleted', async (t) => {
  const { store, create, call } = await openApi(t);
  const catalog = createMatchCatalog(store.caches.feed, { pause, bounds });
  const ids = async (accountId = ACCOUNT_ID, regionId = REGION_ID) =>
    (await catalog.find(accountId, regionId, { images, limit: 100 })).matches.map(({ id }) => id);
  assert.deepEqual(await ids(), []);
  const kept = [];
  for (let number = 0; number < 7; number++) kept.push(await create({ Image: ['nginx', 'redis'] }));
  const failed = await create({ Image: ['nginx'] }, 'Failed');
  await call('CreateImageCache', { ImageCacheName: 'queued', Image: ['nginx'] });
  assert.deepEqual((await ids()).toSorted(), kept.toSorted());
  assert.ok(!(await ids()).includes(failed));
  assert.deepEqual(await ids('another'), []);
  assert.deepEqual(await ids(ACCOUNT_ID, 'cn-beijing'), []);
  const gone = kept.splice(2, 2);
  for (const id of gone) await call('DeleteImageCache', { ImageCacheId: id });
  assert.deepEqual((await ids()).toSorted(), kept.toSorted());
});

test('who asks while an index takes too long is told to come back, and it is built all the same', async () => {
  const { feed, put } = memoryFeed();
  for (let number = 0; number < 10; number++) put(String(number));
  let goOn = () => {};
  const slow = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const catalog = createMatchCatalog(feed, { pause: () => slow, bounds: { ...bounds, maxWaitMs: 20 } });
  const query = { images, limit: 20 };
  await assert.rejects(catalog.find('1', 'r', query), { code: 'ServiceUnavailable', retryAfterMs: 5_000 });
  goOn();
  await catalog.warm([{ accountId: '1', regionId: 'r' }]);
  assert.equal((await catalog.find('1', 'r', query)).total, 10);
});
