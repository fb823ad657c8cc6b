import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openApi } from '../../test/support/open-api.ts';

const DAY_MS = 86_400_000;

test('create answers at once with ids of the API, and describe shows the cache as it was asked for', async (t) => {
  const { call, wakes, cache: read } = await openApi(t);
  const created = await call('CreateImageCache', {
    ImageCacheName: 'web',
    Image: ['nginx', 'registry.example.com:5000/a/b:1'],
    ImageCacheSize: 10,
    RetentionDays: 7,
    Tag: [{ Key: 'env', Value: '' }],
    EliminationStrategy: 'LRU',
  });
  assert.match(created.ImageCacheId, /^imc-[a-z0-9]{20}$/);
  assert.match(created.ContainerGroupId, /^eci-[a-z0-9]{20}$/);
  assert.equal(wakes(), 1);
  const cache = await read(created.ImageCacheId);
  assert.deepEqual(cache.Images, ['nginx', 'registry.example.com:5000/a/b:1']);
  assert.deepEqual(cache.Tags, [{ Key: 'env', Value: '' }]);
  assert.deepEqual(
    [cache.Status, cache.Progress, cache.ImageCacheSize, cache.EliminationStrategy, cache.SnapshotId],
    ['Preparing', '0%', 20, 'LRU', undefined],
  );
  assert.equal(Date.parse(cache.ExpireDateTime) - Date.parse(cache.CreationTime), 7 * DAY_MS);
});

test('pages hold each cache once, newest first; unknown ids and names give empty lists', async (t) => {
  const { call, create } = await openApi(t);
  const ids: string[] = [];
  for (let number = 0; number < 7; number++) ids.push(await create({ ImageCacheName: `n${number}` }));
  const seen: string[] = [];
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page = await call('DescribeImageCaches', { Limit: 3, NextToken: token });
    assert.equal(page.TotalCount, 7);
    for (const cache of page.ImageCaches) seen.push(cache.ImageCacheId);
    token = page.NextToken || undefined;
  }
  assert.deepEqual(seen.toSorted(), ids.toSorted());
  const named = await call('DescribeImageCaches', { ImageCacheName: 'n3' });
  assert.equal(named.ImageCaches[0].ImageCacheId, ids[3]);
  for (const params of [{ ImageCacheId: 'imc-unknown' }, { ImageCacheName: 'n' }]) {
    assert.deepEqual((await call('DescribeImageCaches', params)).ImageCaches, []);
  }
});

test('delete removes a cache in any state, and says when there is none', async (t) => {
  const { call, create } = await openApi(t);
  for (const end of ['Ready', 'Failed'] as const) {
    const ImageCacheId = await create({}, end);
    assert.deepEqual(await call('DeleteImageCache', { ImageCacheId }), { RequestId: 'R' });
    const again = call('DeleteImageCache', { ImageCacheId });
    await assert.rejects(again, { code: 'InvalidParameter.NotFound', status: 404 });
  }
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
    [{ ...good, VSwitchId: Array.from({ length: 11 }, () => 'vsw-1').join(',') }, 'InvalidParameter.LengthExceeded'],
    [{ ...good, AcrRegistryInfo: [{ InstanceId: 'cri-unknown' }] }, 'InvalidParameter.NotFound'],
    [{ ...good, OsType: 'Windows' }, 'InvalidParameter'],
  ];
  for (const [params, code] of rows) {
    await assert.rejects(call('CreateImageCache', { ...params }), (error: { code?: string }) => {
      assert.equal(error.code, code, JSON.stringify(params));
      return true;
    });
  }
  for (const MatchImage of [[], ['a']]) {
    await assert.rejects(call('DescribeImageCaches', { NextToken: 'junk', MatchImage }), { code: 'InvalidParameter' });
  }
});

test('a login of the caller goes before that of the configuration for the same registry', async (t) => {
  const acrInstances = new Map([
    ['cri-1', { domains: ['a.example.com', 'b.example.com'], username: 'u', password: 'p' }],
    ['cri-2', { domains: ['open.example.com'] }],
  ]);
  const { call, store } = await openApi(t, { acrInstances });
  await call('CreateImageCache', {
    ImageCacheName: 'acr',
    Image: ['a.example.com/x:1'],
    ImageRegistryCredential: [{ Server: 'a.example.com', UserName: 'mine', Password: 'own' }],
    AcrRegistryInfo: [{ InstanceId: 'cri-1' }, { InstanceId: 'cri-2' }],
    PlainHttpRegistry: '"x:5000",http://y',
  });
  const build = await store.builds.claim('w', Date.now(), 1000);
  // The last one for a registry counts (credentialsFromList in registry/).
  assert.deepEqual(
    build?.options.credentials.map(({ server, username }) => [server, username]),
    [
      ['a.example.com', 'u'],
      ['b.example.com', 'u'],
      ['a.example.com', 'mine'],
    ],
  );
  assert.deepEqual(build?.options.plainHttpRegistries, ['x:5000', 'y']);
  const wrong = {
    ImageCacheName: 'acr',
    Image: ['a'],
    AcrRegistryInfo: [{ InstanceId: 'cri-1', Domain: ['b.example.com,c'] }],
  };
  await assert.rejects(call('CreateImageCache', wrong), { code: 'InvalidParameter' });
});

test('update changes the description, or pulls again and keeps the old content until then', async (t) => {
  const { call, create, cache, endBuilds, wakes } = await openApi(t);
  const ImageCacheId = await create({ Image: ['a', 'b'] });
  const before = await cache(ImageCacheId);
  assert.deepEqual(await call('UpdateImageCache', { ImageCacheId, ImageCacheName: 'new', RetentionDays: 3 }), {
    RequestId: 'R',
  });
  const described = await cache(ImageCacheId);
  assert.deepEqual(
    [described.ImageCacheName, described.Status, described.SnapshotId],
    ['new', 'Ready', before.SnapshotId],
  );
  assert.equal(Date.parse(described.ExpireDateTime) - Date.parse(described.CreationTime), 3 * DAY_MS);
  await assert.rejects(call('UpdateImageCache', { ImageCacheId, ImageCacheName: 'new' }), {
    code: 'NoNeedUpdate',
    status: 400,
  });

  for (const [end, status] of [
    ['Failed', 'UpdateFailed'],
    ['Ready', 'Ready'],
  ] as const) {
    const woken = wakes();
    await call('UpdateImageCache', { ImageCacheId, Image: ['c'] });
    assert.equal(wakes(), woken + 1);
    const during = await cache(ImageCacheId);
    assert.deepEqual([during.Status, during.Images, during.SnapshotId], ['Updating', ['a', 'b'], before.SnapshotId]);
    assert.notEqual(during.ContainerGroupId, before.ContainerGroupId);
    const wrong = { code: 'ImageCache.IncorrectStatus', status: 400 };
    await assert.rejects(call('UpdateImageCache', { ImageCacheId, ImageCacheName: 'x' }), wrong);
    await endBuilds(end);
    const after = await cache(ImageCacheId);
    assert.deepEqual([after.Status, after.Images], [status, end === 'Ready' ? ['c'] : ['a', 'b']]);
    assert.equal(after.SnapshotId === before.SnapshotId, end === 'Failed');
  }
  await assert.rejects(call('UpdateImageCache', { ImageCacheId: 'imc-unknown', Image: ['a'] }), {
    code: 'InvalidParameter.NotFound',
  });
  const failed = await create({}, 'Failed');
  await assert.rejects(call('UpdateImageCache', { ImageCacheId: failed, Image: ['a'] }), {
    code: 'ImageCache.IncorrectStatus',
  });
});

test('of the events of a cache the newest 50 are kept, the oldest first', async (t) => {
  const { call, create, cache, store } = await openApi(t);
  const ImageCacheId = await create({});
  const updates = 60;
  for (let number = 1; number <= updates; number++) {
    await call('UpdateImageCache', { ImageCacheId, Image: ['a'] });
    const nowMs = Date.now();
    const build = (await store.builds.claim('w', nowMs, 60_000)) ?? assert.fail('no build');
    const event = { type: 'Warning', reason: 'FailedPull', message: `attempt ${number}` } as const;
    const result = { status: 'Failed', expiresAtMs: nowMs + DAY_MS, events: [event] } as const;
    assert.ok(await store.builds.finish(build.id, 'w', result, nowMs));
  }
  const { Status, Events } = await cache(ImageCacheId);
  assert.equal(Status, 'UpdateFailed');
  assert.deepEqual(
    Events.map((event: { Message: string }) => event.Message),
    Array.from({ length: 50 }, (_, index) => `attempt ${updates - 49 + index}`),
  );
  assert.equal(new Set(Events.map((event: { Name: string }) => event.Name)).size, 50);
});

test('a client token makes a call once', async (t) => {
  const { call, create } = await openApi(t);
  const params = { ImageCacheName: 'once', Image: ['a'], ClientToken: 'token' };
  const first = await call('CreateImageCache', params);
  assert.deepEqual(await call('CreateImageCache', params), first);
  const secret = [{ Server: 'r', UserName: 'u', Password: 'changed' }];
  for (const change of [{ ImageCacheName: 'twice' }, { ImageRegistryCredential: secret }]) {
    await assert.rejects(call('CreateImageCache', { ...params, ...change }), {
      code: 'IdempotentParameterMismatch',
      status: 400,
    });
  }
  const both = await Promise.allSettled([1, 2].map(() => call('CreateImageCache', { ...params, ClientToken: 'race' })));
  const codes = both
    .map((one) => (one.status === 'fulfilled' ? 'done' : one.reason.code))
    .toSorted((a, b) => a.localeCompare(b));
  assert.ok(codes.includes('done') && ['LastTokenProcessing', 'done'].includes(codes[0] ?? ''), codes.join());
  assert.equal((await call('DescribeImageCaches')).TotalCount, 2);

  const ImageCacheId = await create({});
  await call('DeleteImageCache', { ImageCacheId, ClientToken: 'd' });
  await call('DeleteImageCache', { ImageCacheId, ClientToken: 'd' });
  await assert.rejects(call('DeleteImageCache', { ImageCacheId: 'imc-unknown', ClientToken: 'e' }), {
    code: 'InvalidParameter.NotFound',
  });
  const other = await create({});
  await call('DeleteImageCache', { ImageCacheId: other, ClientToken: 'e' });
});

test('a client token is kept for 24 hours: after that the call is a new one', async (t) => {
  const { call } = await openApi(t);
  const params = { ImageCacheName: 'once', Image: ['a'], ClientToken: 'token' };
  const startMs = Date.UTC(2026, 0, 2);
  const createAt = async (nowMs: number) => (await call('CreateImageCache', params, { nowMs })).ImageCacheId;
  const first = await createAt(startMs);
  assert.equal(await createAt(startMs + DAY_MS - 1), first);
  const second = await createAt(startMs + DAY_MS);
  assert.notEqual(second, first);
  assert.equal(await createAt(startMs + 2 * DAY_MS - 1), second, 'its own 24 hours');
});

test('a dry run of every call that changes something changes nothing and leaves its token free', async (t) => {
  const { dryRun, call, create, store } = await openApi(t, { maxImageCaches: async () => 1 });
  const ResourceId = [await create({ EliminationStrategy: 'LRU', Tag: [{ Key: 'k', Value: 'v' }] })];
  const [ImageCacheId] = ResourceId;
  const before = await call('DescribeImageCaches');
  const calls: [string, object][] = [
    ['CreateImageCache', { ImageCacheName: 'x', Image: ['a'], ClientToken: 't' }],
    ['UpdateImageCache', { ImageCacheId, Image: ['b'], ClientToken: 't' }],
    ['DeleteImageCache', { ImageCacheId, ClientToken: 't' }],
    ['TagResources', { ResourceType: 'ImageCache', ResourceId, Tag: [{ Key: 'new' }] }],
    ['UntagResources', { ResourceType: 'ImageCache', ResourceId, TagKey: ['k'], ClientToken: 't' }],
  ];
  for (const [name, params] of calls)
    await assert.rejects(dryRun(name, { ...params }), { code: 'DryRunOperation' }, name);
  assert.deepEqual(await call('DescribeImageCaches'), before);
  assert.equal(await store.builds.claim('w', Date.now(), 1000), undefined);
  await call('UntagResources', { ResourceType: 'ImageCache', ResourceId, All: true, ClientToken: 't' });
});

test('quota: the least recently used make room, others are kept, ListUsage tells', async (t) => {
  const { call, create } = await openApi(t, { maxImageCaches: async () => 2 });
  const kept = await create({});
  const evicted = await create({ EliminationStrategy: 'LRU' });
  const fresh = await create({});
  const { ImageCaches } = await call('DescribeImageCaches');
  const ids = ImageCaches.map((cache: { ImageCacheId: string }) => cache.ImageCacheId);
  assert.deepEqual(ids.toSorted(), [kept, fresh].toSorted());
  assert.ok(!ids.includes(evicted));
  const message = 'ImageCache quota exceeded.';
  await assert.rejects(create({}), { code: 'QuotaExceeded', status: 403, message });
  const { Attributes } = await call('ListUsage');
  assert.deepEqual([Attributes.MaxImageCacheCount, Attributes.UsedImageCacheCount], [2, 2]);
});

test('quota: a cache that was matched a moment ago is not the least recently used, though nothing is written yet', async (t) => {
  const gatherMs = 60_000;
  const { call, create } = await openApi(t, { maxImageCaches: async () => 2 }, gatherMs);
  const params = (image: string) => ({ Image: [image], EliminationStrategy: 'LRU' });
  const used = await create(params('used'));
  const idle = await create(params('idle'));
  await sleep(2);
  await call('DescribeImageCaches', { MatchImage: ['used'] });
  await create(params('new'));
  const { ImageCaches } = await call('DescribeImageCaches');
  const left = ImageCaches.map((cache: { ImageCacheId: string }) => cache.ImageCacheId);
  assert.ok(left.includes(used) && !left.includes(idle));
});

test('tags are added, replaced, listed and removed; limits hold for all resources or none', async (t) => {
  const { call, create, cache } = await openApi(t);
  const ids = [await create({}), await create({ Tag: [{ Key: 'a', Value: 'old' }] })];
  const type = { ResourceType: 'ImageCache' };
  await call('TagResources', { ...type, ResourceId: ids, Tag: [{ Key: 'a', Value: '1' }, { Key: 'b' }] });
  const all = await call('ListTagResources', { ...type, Limit: 3 });
  assert.equal(all.TagResources.length, 3);
  const rest = await call('ListTagResources', { ...type, NextToken: all.NextToken });
  assert.deepEqual([rest.TagResources.length, rest.NextToken], [1, '']);
  const found = await call('ListTagResources', {
    ...type,
    ResourceId: [ids[1] ?? ''],
    Tag: [{ Key: 'a', Value: '1' }],
  });
  assert.deepEqual(found.TagResources[0], { ...type, ResourceId: ids[1], TagKey: 'a', TagValue: '1' });

  const many = Array.from({ length: 19 }, (_, index) => ({ Key: `n${index}` }));
  const tooMany = { code: 'NumberExceed.Tags', status: 400, message: 'The length of tags exceeded limit: 20.' };
  await assert.rejects(call('TagResources', { ...type, ResourceId: ids, Tag: many }), tooMany);
  const unknown = call('TagResources', { ...type, ResourceId: [...ids, 'imc-unknown'], Tag: [{ Key: 'c' }] });
  await assert.rejects(unknown, { code: 'InvalidParameter.NotFound' });
  await assert.rejects(call('TagResources', { ResourceType: 'DataCache', ResourceId: ids, Tag: many }), {
    code: 'InvalidParameter',
  });
  await assert.rejects(call('UntagResources', { ...type, ResourceId: ids }), { code: 'MissingTagKey' });
  assert.deepEqual((await cache(ids[0] ?? '')).Tags, [
    { Key: 'a', Value: '1' },
    { Key: 'b', Value: '' },
  ]);

  await call('UntagResources', { ...type, ResourceId: ids, TagKey: ['a', 'z'], All: true });
  assert.deepEqual((await cache(ids[0] ?? '')).Tags, [{ Key: 'b', Value: '' }]);
  await call('UntagResources', { ...type, ResourceId: ids, All: true });
  assert.deepEqual((await call('ListTagResources', type)).TagResources, []);
});

test('matching finds Ready caches, best first, within the other filters, and marks the best as used', async (t) => {
  const { call, create, cache } = await openApi(t);
  const both = await create({ Image: ['nginx:1', 'redis:7'], ImageCacheSize: 30 });
  const one = await create({ Image: ['docker.io/library/nginx:1'], ResourceGroupId: 'rg-one' });
  const other = await create({ Image: ['nginx:2'] });
  await create({ Image: ['nginx:1', 'redis:7'] }, 'Failed');
  const match = async (params: object) => {
    const answer = await call('DescribeImageCaches', { MatchImage: ['nginx:1', 'redis:7'], ...params });
    return answer.ImageCaches.map((found: { ImageCacheId: string }) => found.ImageCacheId);
  };
  assert.deepEqual(await match({}), [both, one, other]);
  assert.deepEqual(await match({ ImageFullMatch: true }), [both]);
  assert.deepEqual(await match({ ImageMatchCountRequest: 1 }), [both, one]);
  assert.deepEqual(await match({ ResourceGroupId: 'rg-one' }), [one]);
  assert.deepEqual(await match({ MatchImage: ['unknown'] }), []);
  const first = await call('DescribeImageCaches', { MatchImage: ['nginx:1'], Limit: 1 });
  assert.deepEqual(await match({ MatchImage: ['nginx:1'], NextToken: first.NextToken }), [
    first.ImageCaches[0].ImageCacheId === one ? both : one,
    other,
  ]);
  const end = Date.now() + 5_000;
  while (!(await cache(both)).LastMatchedTime && Date.now() < end) await sleep(5);
  assert.ok((await cache(both)).LastMatchedTime, 'the best match of the queries was used');
  await call('DeleteImageCache', { ImageCacheId: both });
  assert.deepEqual(await match({}), [one, other]);
});

test('regions and endpoints lead back to this server', async (t) => {
  const { call } = await openApi(t);
  const { Regions } = await call('DescribeRegions');
  assert.deepEqual(
    Regions.map((region: { RegionId: string; RegionEndpoint: string }) => [region.RegionId, region.RegionEndpoint]),
    [['cn-hangzhou', '127.0.0.1:4620']],
  );
  const answer = await call('DescribeEndpoints', { Id: 'cn-beijing', ServiceCode: 'eci', Type: 'openAPI' });
  assert.deepEqual(answer.Endpoints.Endpoint, [
    {
      Endpoint: '127.0.0.1:4620',
      Id: 'cn-beijing',
      Namespace: '',
      SerivceCode: 'eci',
      Type: 'openAPI',
      Protocols: { Protocols: ['HTTP'] },
    },
  ]);
  assert.equal(answer.Success, true);
  await assert.rejects(call('DescribeEndpoints', { Id: 'cn-beijing', ServiceCode: 'ecs' }), {
    code: 'InvalidParameter',
  });
});
