import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSealer, SEAL_KEY_BYTES } from '../accounts/index.ts';
import { systemClock } from '../lib/clock.ts';
import { flattenParameters, type ResultObject, type WireValue } from '../rpc/index.ts';
import { openSqliteStore } from '../store/index.ts';
import { createActions } from './index.ts';

type Call = (action: string, params: { readonly [name: string]: WireValue }) => Promise<ResultObject>;

/** The actions over a real store, called as the pipeline calls them once a request is authenticated. */
async function openApi(t: TestContext): Promise<{ call: Call; wakes: () => number }> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-api-'));
  const seal = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
  const store = await openSqliteStore({ path: join(directory, 'larder.db'), seal });
  t.after(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  let wakes = 0;
  const actions = createActions({
    store,
    clock: systemClock,
    randomBytes,
    minImageCacheSizeGib: 20,
    wakeWorker: () => wakes++,
  });
  const log = { warn() {}, error() {} };
  const call: Call = async (name, params) => {
    const action = actions.get(name);
    assert.ok(action);
    const run = action.prepare(new Map(flattenParameters({ RegionId: 'r-1', ...params })));
    return run({
      accountId: '1',
      accessKeyId: 'k',
      principal: { type: 'Account', id: '1' },
      action: name,
      requestId: 'R',
      regionId: 'r-1',
      nowMs: Date.now(),
      signal: new AbortController().signal,
      log,
      peer: '127.0.0.1',
    });
  };
  return { call, wakes: () => wakes };
}

function text(value: ResultObject[string]): string {
  assert.ok(typeof value === 'string');
  return value;
}

test('create answers at once with ids of the API, and describe shows the cache as it was asked for', async (t) => {
  const { call, wakes } = await openApi(t);
  const created = await call('CreateImageCache', {
    ImageCacheName: 'web',
    Image: ['nginx', 'registry.example.com:5000/a/b:1'],
    ImageCacheSize: 10,
    RetentionDays: 7,
    Tag: [{ Key: 'env', Value: '' }],
    EliminationStrategy: 'LRU',
  });
  assert.match(text(created.ImageCacheId), /^imc-[a-z0-9]{20}$/);
  assert.match(text(created.ContainerGroupId), /^eci-[a-z0-9]{20}$/);
  assert.equal(wakes(), 1);
  const described = await call('DescribeImageCaches', { ImageCacheId: text(created.ImageCacheId) });
  const [cache] = JSON.parse(JSON.stringify(described.ImageCaches));
  assert.deepEqual(cache.Images, ['nginx', 'registry.example.com:5000/a/b:1']);
  assert.deepEqual(cache.Tags, [{ Key: 'env', Value: '' }]);
  assert.deepEqual(
    [cache.Status, cache.Progress, cache.ImageCacheSize, cache.EliminationStrategy, cache.SnapshotId],
    ['Preparing', '0%', 20, 'LRU', undefined],
  );
  assert.equal(Date.parse(cache.ExpireDateTime) - Date.parse(cache.CreationTime), 7 * 24 * 3_600_000);
  assert.deepEqual([described.TotalCount, described.NextToken], [1, '']);
});

test('pages hold each cache once, newest first; unknown ids and names give empty lists', async (t) => {
  const { call } = await openApi(t);
  const ids: string[] = [];
  for (let number = 0; number < 7; number++) {
    ids.push(text((await call('CreateImageCache', { ImageCacheName: `n${number}`, Image: ['a'] })).ImageCacheId));
  }
  const seen: string[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page: ResultObject = await call('DescribeImageCaches', { Limit: 3, NextToken: token });
    assert.equal(page.TotalCount, 7);
    for (const cache of JSON.parse(JSON.stringify(page.ImageCaches))) seen.push(cache.ImageCacheId);
    token = text(page.NextToken) || undefined;
  }
  assert.deepEqual(seen.toSorted(), ids.toSorted());
  const named = await call('DescribeImageCaches', { ImageCacheName: 'n3' });
  assert.equal(JSON.parse(JSON.stringify(named.ImageCaches))[0].ImageCacheId, ids[3]);
  for (const params of [{ ImageCacheId: 'imc-unknown' }, { ImageCacheName: 'n' }]) {
    assert.deepEqual((await call('DescribeImageCaches', params)).ImageCaches, []);
  }
});

test('delete removes a cache in any state, and says when there is none', async (t) => {
  const { call } = await openApi(t);
  const { ImageCacheId } = await call('CreateImageCache', { ImageCacheName: 'a', Image: ['a'] });
  assert.deepEqual(await call('DeleteImageCache', { ImageCacheId: text(ImageCacheId) }), {});
  await assert.rejects(call('DeleteImageCache', { ImageCacheId: text(ImageCacheId) }), {
    code: 'InvalidParameter.NotFound',
    status: 404,
  });
});

test('bad input is refused with the documented codes', async (t) => {
  const { call } = await openApi(t);
  const good = { ImageCacheName: 'a', Image: ['a'] };
  const rows: [object, string][] = [
    [{ Image: ['a'] }, 'MissingImageCacheName'],
    [{ ImageCacheName: 'a' }, 'MissingImage'],
    [{ ...good, ImageCacheName: 'x'.repeat(129) }, 'InvalidParameter'],
    [{ ...good, Image: ['host/UPPER'] }, 'InvalidParameter'],
    [{ ...good, Image: Array.from({ length: 21 }, () => 'a') }, 'InvalidParameter.LengthExceeded'],
    [{ ...good, ImageCacheSize: 'ten' }, 'InvalidImageCacheSize'],
    [{ ...good, ImageCacheSize: 32_769 }, 'InvalidParameter.ValueExceeded'],
    [{ ...good, RetentionDays: 0 }, 'InvalidParameter.ValueExceeded'],
    [{ ...good, Tag: [{ Key: 'acs:x', Value: 'y' }] }, 'InvalidParameter'],
    [{ ...good, ImageRegistryCredential: [{ Server: 'r' }] }, 'MissingImageRegistryCredential.1.UserName'],
  ];
  for (const [params, code] of rows) {
    await assert.rejects(call('CreateImageCache', { ...params }), (error: { code?: string }) => {
      assert.equal(error.code, code, JSON.stringify(params));
      return true;
    });
  }
  await assert.rejects(call('DescribeImageCaches', { NextToken: 'junk' }), { code: 'InvalidParameter' });
});
