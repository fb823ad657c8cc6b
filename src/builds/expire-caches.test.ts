import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBuildHouse } from '../../test/support/build-house.ts';
import { openApi } from '../../test/support/open-api.ts';
import { silentLogger } from '../lib/logger.ts';
import type { Store } from '../store/ports.ts';
import { expireCaches } from './expire-caches.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START_MS = Date.UTC(2026, 0, 2);
/** Far less than what the worker waits between two looks. */
const SOON_MS = 20_000;

const expireAt = (store: Store, nowMs: number) =>
  expireCaches({ store, clock: { now: () => nowMs }, log: silentLogger }, new AbortController().signal);

test('a failed cache is there for 24 hours from its failure, and then gone', async (t) => {
  let nowMs = START_MS;
  const house = await openBuildHouse(t, { now: () => nowMs });
  house.startWorker();
  const { id } = await house.create([`${house.registry.host}/missing:1`]);
  const failed = await house.ended(id);
  assert.deepEqual([failed?.status, failed?.expiresAtMs], ['Failed', START_MS + DAY_MS]);
  nowMs = START_MS + DAY_MS - 1;
  await expireAt(house.services.store, nowMs);
  assert.equal((await house.find(id))?.status, 'Failed');
  nowMs = START_MS + DAY_MS;
  await expireAt(house.services.store, nowMs);
  assert.equal(await house.find(id), undefined);
});

test('RetentionDays: the cache is listed and matched up to the millisecond before its end, and then no more', async (t) => {
  const { call, endBuilds, store } = await openApi(t);
  const params = { ImageCacheName: 'x', Image: ['nginx:1'], RetentionDays: 3 };
  const { ImageCacheId } = await call('CreateImageCache', params, { nowMs: START_MS });
  const kept = await call('CreateImageCache', { ...params, RetentionDays: undefined }, { nowMs: START_MS });
  await endBuilds('Ready');
  const endMs = START_MS + 3 * DAY_MS;
  const found = async (filter: object) =>
    (await call('DescribeImageCaches', { ...filter })).ImageCaches.map(
      (cache: { ImageCacheId: string }) => cache.ImageCacheId,
    );
  for (const [atMs, expected] of [
    [endMs - 1, [ImageCacheId, kept.ImageCacheId]],
    [endMs, [kept.ImageCacheId]],
  ] as const) {
    await expireAt(store, atMs);
    for (const filter of [{}, { MatchImage: ['nginx:1'] }]) {
      assert.deepEqual(new Set(await found(filter)), new Set(expected), `${atMs - endMs} ms`);
    }
  }
});

test('a worker removes a cache when its time is over, not when it next looks around', async (t) => {
  const house = await openBuildHouse(t);
  const worker = house.startWorker();
  const { id } = await house.create([`${house.registry.host}/missing:1`]);
  assert.equal((await house.ended(id))?.status, 'Failed');
  const { caches } = house.services.store;
  const endMs = Date.now() + 300;
  const decide = (cache: Parameters<Parameters<typeof caches.change>[2]>[0]) => ({
    cache: { ...cache, expiresAtMs: endMs },
  });
  const { accountId, regionId } = (await house.find(id)) ?? assert.fail();
  await caches.change({ accountId, regionId }, [id], decide, { nowMs: Date.now() });
  worker.wake();
  for (const lateMs = endMs + SOON_MS; await house.find(id); await sleep(20))
    assert.ok(Date.now() < lateMs, 'still there');
  assert.ok(Date.now() >= endMs, 'not before');
});
