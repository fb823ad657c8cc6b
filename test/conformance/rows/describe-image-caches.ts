import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, Params } from '../client.ts';
import { rowsOf } from '../row.ts';

const row = rowsOf('DescribeImageCaches');
const MAX_TAGS = 20;
const DEFAULT_LIMIT = 20;
/** Caches of one millisecond are listed by id; those here are listed by time. */
const APART_MS = 2;

/** Ids of what a list shows, in its order. */
async function idsOf(client: Client, params: Params = {}): Promise<string[]> {
  const { ImageCaches } = await client.ok('DescribeImageCaches', params);
  return ImageCaches.map(({ ImageCacheId }: { ImageCacheId: string }) => ImageCacheId);
}

/** What is too long by one character, or just not, is refused or finds nothing. */
async function assertMaxLength(client: Client, name: string, maxLength: number): Promise<void> {
  assert.deepEqual(await idsOf(client, { [name]: 'x'.repeat(maxLength) }), []);
  const message = `The length of parameter ${name} exceeded limit: ${maxLength}.`;
  await client.refused(
    'DescribeImageCaches',
    { [name]: 'x'.repeat(maxLength + 1) },
    { status: 400, code: 'InvalidParameter.LengthExceeded', message },
  );
}

/** Creates without waiting for the build, which filters don't look at. */
async function begin(client: Client, params: Params = {}): Promise<string> {
  const created = { ImageCacheName: 'test', Image: [client.image], ...params };
  const { ImageCacheId } = await client.ok('CreateImageCache', created);
  await sleep(APART_MS);
  return ImageCacheId;
}

/** Newest last. */
async function createMany(client: Client, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push(await begin(client));
  return ids;
}

export const describeImageCaches = [
  row('parameter', 'RegionId', 'is mandatory; regions do not see each other’s caches', async (live) => {
    const client = await live.newClient();
    const id = await begin(client);
    const message = 'RegionId is mandatory for this action.';
    await client.refused(
      'DescribeImageCaches',
      { RegionId: undefined },
      { status: 400, code: 'MissingRegionId', message },
    );
    await client.refused('DescribeImageCaches', { RegionId: '' }, { status: 400, code: 'MissingRegionId', message });
    assert.deepEqual(await idsOf(client), [id]);
    assert.deepEqual(await idsOf(client, { RegionId: 'cn-beijing' }), []);
    assert.deepEqual(await idsOf(client, { RegionId: 'cn-beijing', ImageCacheId: id }), []);
    await assertMaxLength(client, 'RegionId', 64);
  }),
  row('parameter', 'ImageCacheId', 'only this cache; an empty value is none', async (live) => {
    const client = await live.newClient();
    const [one, two] = await createMany(client, 2);
    assert.deepEqual(await idsOf(client, { ImageCacheId: one }), [one]);
    assert.deepEqual(await idsOf(client, { ImageCacheId: '' }), [two, one]);
    await assertMaxLength(client, 'ImageCacheId', 128);
  }),
  row(
    'parameter',
    'ImageCacheId',
    'a cache that is not there, or is another account’s: an empty list',
    async (live) => {
      const [client, other] = [await live.newClient(), await live.newClient()];
      const [id] = await createMany(other, 1);
      for (const ImageCacheId of ['imc-00000000000000000000', 'nonsense', id]) {
        const { RequestId: _, ...answer } = await client.ok('DescribeImageCaches', { ImageCacheId });
        assert.deepEqual(answer, { ImageCaches: [], NextToken: '', TotalCount: 0 });
      }
    },
  ),
  row('parameter', 'ImageCacheName', 'exactly this name; several caches may have it', async (live) => {
    const client = await live.newClient();
    const create = (ImageCacheName: string) => begin(client, { ImageCacheName });
    const [one, two, other] = [await create('web'), await create('web'), await create('web2')];
    assert.deepEqual(await idsOf(client, { ImageCacheName: 'web' }), [two, one]);
    assert.deepEqual(await idsOf(client, { ImageCacheName: 'web2' }), [other]);
    for (const ImageCacheName of ['we', 'WEB', 'web*', ' web']) {
      assert.deepEqual(await idsOf(client, { ImageCacheName }), [], ImageCacheName);
    }
    await assertMaxLength(client, 'ImageCacheName', 1024);
  }),
  row('parameter', 'SnapshotId', 'only the cache with this snapshot', async (live) => {
    const client = await live.newClient();
    const [one, two] = [await client.create(), await client.create()];
    for (const id of [one, two]) {
      const { SnapshotId } = await client.cache(id);
      assert.deepEqual(await idsOf(client, { SnapshotId }), [id]);
    }
    assert.deepEqual(await idsOf(client, { SnapshotId: 's-00000000000000000000' }), []);
    await assertMaxLength(client, 'SnapshotId', 128);
  }),
  row(
    'parameter',
    'Image',
    'the reference as given, its repository, or the end of the path of either',
    async (live) => {
      const client = await live.newClient();
      const [one, both] = [await begin(client), await begin(client, { Image: [live.otherImage, live.image] })];
      const repository = live.image.replace(/:1$/, '');
      for (const Image of [live.image, 'app:1', 'team/app:1', repository, 'app', 'team/app']) {
        assert.deepEqual(await idsOf(client, { Image }), [both, one], Image);
      }
      assert.deepEqual(await idsOf(client, { Image: live.otherImage }), [both]);
      for (const Image of ['ap', 'pp:1', 'am/app', 'team', 'app:', 'APP', 'app:3']) {
        assert.deepEqual(await idsOf(client, { Image }), [], Image);
      }
      await assertMaxLength(client, 'Image', 512);
    },
  ),
  row('parameter', 'Tag.Key', 'only caches with all of these tags; keys in the same case', async (live) => {
    const client = await live.newClient();
    const tag = (Key: string, Value = '') => ({ Key, Value });
    const both = await begin(client, { Tag: [tag('a', '1'), tag('b', '2')] });
    const one = await begin(client, { Tag: [tag('a', '1')] });
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'a' }] }), [one, both]);
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'a' }, { Key: 'b' }] }), [both]);
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'A' }] }), []);
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'a' }, { Key: 'c' }] }), []);
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'x'.repeat(128) }] }), []);
    const message = 'The length of parameter Tag.1.Key exceeded limit: 128.';
    await client.refused(
      'DescribeImageCaches',
      { Tag: [{ Key: 'x'.repeat(129) }] },
      { status: 400, code: 'InvalidParameter.LengthExceeded', message },
    );
  }),
  row('parameter', 'Tag.Key', 'up to 20; numbers may have gaps, and must be numbers', async (live) => {
    const client = await live.newClient();
    const keys = Array.from({ length: MAX_TAGS }, (_, index) => ({ Key: `k${index}`, Value: '' }));
    const id = await begin(client, { Tag: keys });
    assert.deepEqual(await idsOf(client, { Tag: keys }), [id]);
    assert.deepEqual(await idsOf(client, { 'Tag.2.Key': 'k3', 'Tag.20.Key': 'k5' }), [id]);
    await client.refused(
      'DescribeImageCaches',
      { Tag: [...keys, { Key: 'one too many' }] },
      {
        status: 400,
        code: 'InvalidParameter.LengthExceeded',
        message: 'The length of parameter Tag exceeded limit: 20.',
      },
    );
    const message = 'Specified parameter Tag is not valid.';
    for (const name of ['Tag.0.Key', 'Tag.x.Key']) {
      await client.refused('DescribeImageCaches', { [name]: 'k1' }, { status: 400, code: 'InvalidTag', message });
    }
  }),
  row('parameter', 'Tag.Value', 'the value, also an empty one; without one, any value', async (live) => {
    const client = await live.newClient();
    const create = (Value: string) => begin(client, { Tag: [{ Key: 'env', Value }] });
    const [empty, prod] = [await create(''), await create('prod')];
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'env', Value: 'prod' }] }), [prod]);
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'env', Value: '' }] }), [empty]);
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'env' }] }), [prod, empty]);
    assert.deepEqual(await idsOf(client, { Tag: [{ Key: 'env', Value: 'PROD' }] }), []);
    const message = 'The length of parameter Tag.1.Value exceeded limit: 128.';
    await client.refused(
      'DescribeImageCaches',
      { Tag: [{ Key: 'env', Value: 'x'.repeat(129) }] },
      { status: 400, code: 'InvalidParameter.LengthExceeded', message },
    );
  }),
  row(
    'parameter',
    'ResourceGroupId',
    'only caches of this group; those that name none are in rg-default',
    async (live) => {
      const client = await live.newClient();
      const [grouped, plain] = [await begin(client, { ResourceGroupId: 'rg-2df3isufhi38' }), await begin(client)];
      assert.deepEqual(await idsOf(client, { ResourceGroupId: 'rg-2df3isufhi38' }), [grouped]);
      assert.deepEqual(await idsOf(client, { ResourceGroupId: 'rg-default' }), [plain]);
      assert.deepEqual(await idsOf(client, { ResourceGroupId: 'rg-none' }), []);
      await assertMaxLength(client, 'ResourceGroupId', 64);
    },
  ),
  row('parameter', 'Limit', 'the size of a page: 1 to 100', async (live) => {
    const client = await live.newClient();
    const [one, two, three] = await createMany(client, 3);
    assert.deepEqual(await idsOf(client, { Limit: 1 }), [three]);
    assert.deepEqual(await idsOf(client, { Limit: 2 }), [three, two]);
    assert.deepEqual(await idsOf(client, { Limit: 100 }), [three, two, one]);
    assert.deepEqual(await idsOf(client, { Limit: '' }), [three, two, one]);
    for (const [Limit, limit] of [
      [0, 1],
      [-1, 1],
      [101, 100],
    ] as const) {
      const message = `The value of parameter Limit exceeded limit: ${limit}.`;
      await client.refused(
        'DescribeImageCaches',
        { Limit },
        { status: 400, code: 'InvalidParameter.ValueExceeded', message },
      );
    }
    for (const Limit of ['ten', '1.5', '1e1', ' 1']) {
      const message = 'Specified parameter Limit is not valid.';
      await client.refused('DescribeImageCaches', { Limit }, { status: 400, code: 'InvalidLimit', message });
    }
  }),
  row('parameter', 'Limit', 'who never pages gets 20, the newest, and can see that there are more', async (live) => {
    const client = await live.newClient();
    const ids = await createMany(client, DEFAULT_LIMIT + 1);
    const answer = await client.ok('DescribeImageCaches');
    assert.deepEqual([answer.ImageCaches.length, answer.TotalCount], [DEFAULT_LIMIT, DEFAULT_LIMIT + 1]);
    assert.deepEqual(await idsOf(client), ids.toReversed().slice(0, DEFAULT_LIMIT));
    assert.notEqual(answer.NextToken, '');
    assert.deepEqual(await idsOf(client, { NextToken: answer.NextToken }), [ids[0]]);
  }),
  row('parameter', 'NextToken', 'goes on after the page before, whatever came or went meanwhile', async (live) => {
    const client = await live.newClient();
    const [one, two, three, four] = await createMany(client, 4);
    const first = await client.ok('DescribeImageCaches', { Limit: 2 });
    await begin(client);
    await client.ok('DeleteImageCache', { ImageCacheId: three });
    assert.deepEqual(await idsOf(client, { Limit: 2, NextToken: first.NextToken }), [two, one]);
    assert.equal(first.ImageCaches[0].ImageCacheId, four);
    assert.equal((await idsOf(client, { NextToken: '' })).length, 4, 'an empty one begins at the beginning');
  }),
  row('parameter', 'NextToken', 'of no earlier answer is refused', async (live) => {
    const client = await live.newClient();
    const message = 'The specified parameter NextToken is invalid, it is not from an earlier answer.';
    for (const NextToken of ['junk', 'AAAAAdDWBF2', '0', '中']) {
      await client.refused('DescribeImageCaches', { NextToken }, { status: 400, code: 'InvalidParameter', message });
    }
    const NextToken = 'x'.repeat(1025);
    await client.refused(
      'DescribeImageCaches',
      { NextToken },
      { status: 400, code: 'InvalidParameter.LengthExceeded' },
    );
  }),
  row(
    'error',
    'InvalidParameter',
    'of several bad parameters the first on the vendor’s page is named',
    async (live) => {
      const client = await live.newClient();
      const bad = { ImageCacheId: 'x'.repeat(129), Limit: 'ten', NextToken: 'junk' };
      const tooLong = { status: 400, code: 'InvalidParameter.LengthExceeded' };
      await client.refused('DescribeImageCaches', bad, tooLong);
      await client.refused('DescribeImageCaches', { ...bad, ImageCacheId: 'x' }, { status: 400, code: 'InvalidLimit' });
      await client.refused(
        'DescribeImageCaches',
        { NextToken: 'junk' },
        { status: 400, code: 'InvalidParameter', message: /NextToken/ },
      );
    },
  ),
  row('format', 'Filters', 'all of several filters must hold; unknown parameters are passed over', async (live) => {
    const client = await live.newClient();
    const Tag = [{ Key: 'env', Value: 'prod' }];
    const tagged = await begin(client, { ImageCacheName: 'web', Tag });
    await begin(client, { ImageCacheName: 'web' });
    await begin(client, { ImageCacheName: 'other', Tag });
    assert.deepEqual(await idsOf(client, { ImageCacheName: 'web', Tag, Image: 'app' }), [tagged]);
    assert.deepEqual(await idsOf(client, { ImageCacheName: 'web', Tag, Image: 'redis' }), []);
    assert.equal((await idsOf(client, { imageCacheName: 'web', Nothing: 'x' })).length, 3);
  }),
];
