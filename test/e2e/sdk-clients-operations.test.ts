/** Every operation, parameter and field that the vendor's models know, through the unmodified clients, in the types of their models. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import eci from '@alicloud/eci20180808';
import { Config } from '@alicloud/openapi-client';
import RpcClient from '@alicloud/pop-core';
import type { Client } from '../conformance/client.ts';
import { type Live, startLive } from '../conformance/live.ts';
import { TIME } from '../support/sdk-lifecycle.ts';

const REGION_ID = 'cn-hangzhou';
const regionId = REGION_ID;

describe('the operations through the vendor’s models', () => {
  let live: Live & { stop(): Promise<void> };
  let client: Client;
  let sdk: InstanceType<typeof eci.default>;
  before(async () => {
    live = await startLive();
    client = await live.newClient();
    const key = { accessKeyId: client.key.id, accessKeySecret: client.key.secret };
    sdk = new eci.default(new Config({ ...key, endpoint: live.endpoint, protocol: 'HTTP', regionId }));
  });
  after(() => live?.stop());

  test('2.0.3 creates with every parameter of its model and reads every field', async () => {
    const request = new eci.CreateImageCacheRequest({
      regionId,
      imageCacheName: 'full',
      image: [live.image, live.otherImage],
      acrRegistryInfo: [
        new eci.CreateImageCacheRequestAcrRegistryInfo({
          instanceId: 'cri-conformance1',
          instanceName: 'name',
          regionId,
          domain: [live.image.split('/')[0] ?? ''],
          arnService: 'acs:ram::1:role/service',
          arnUser: 'acs:ram::2:role/user',
        }),
      ],
      annotations: 'hide',
      autoMatchImageCache: true,
      clientToken: 'full',
      eipInstanceId: 'eip-1',
      eliminationStrategy: 'LRU',
      flash: true,
      flashCopyCount: 1,
      imageCacheSize: 25,
      imageRegistryCredential: [
        new eci.CreateImageCacheRequestImageRegistryCredential({
          server: 'r.example.com',
          userName: 'u',
          password: 'p',
        }),
      ],
      insecureRegistry: '"harbor.example.com"',
      ownerAccount: 'a',
      ownerId: 1,
      plainHttpRegistry: live.image.split('/')[0] ?? '',
      resourceGroupId: 'rg-full',
      resourceOwnerAccount: 'a',
      resourceOwnerId: 1,
      retentionDays: 7,
      securityGroupId: 'sg-1',
      standardCopyCount: 1,
      tag: [new eci.CreateImageCacheRequestTag({ key: 'imc', value: 'test' })],
      vSwitchId: 'vsw-1,vsw-2',
      zoneId: 'cn-hangzhou-a',
    });
    const { statusCode, body } = await sdk.createImageCache(request);
    assert.equal(statusCode, 200);
    const imageCacheId = body.imageCacheId ?? '';
    await client.settled(imageCacheId);
    const match = {
      regionId,
      matchImage: [live.image, live.otherImage],
      imageFullMatch: true,
      imageMatchCountRequest: 2,
    };
    assert.equal((await sdk.describeImageCaches(new eci.DescribeImageCachesRequest(match))).body.totalCount, 1);
    await client.until(async () => (await client.cache(imageCacheId)).LastMatchedTime !== undefined);

    const filter = {
      regionId,
      imageCacheId,
      imageCacheName: 'full',
      image: live.image,
      resourceGroupId: 'rg-full',
      tag: [new eci.DescribeImageCachesRequestTag({ key: 'imc', value: 'test' })],
      limit: 5,
      nextToken: '',
    };
    const page = (await sdk.describeImageCaches(new eci.DescribeImageCachesRequest(filter))).body;
    assert.deepEqual([page.totalCount, page.nextToken, page.imageCaches?.length], [1, '', 1]);
    const cache = page.imageCaches?.[0] ?? assert.fail();
    assert.deepEqual(
      [cache.imageCacheId, cache.imageCacheName, cache.images, cache.status, cache.progress, cache.imageCacheSize],
      [imageCacheId, 'full', [live.image, live.otherImage], 'Ready', '100%', 25],
    );
    assert.deepEqual(
      [cache.containerGroupId, cache.regionId, cache.resourceGroupId, cache.eliminationStrategy],
      [body.containerGroupId, regionId, 'rg-full', 'LRU'],
    );
    for (const time of [cache.creationTime, cache.expireDateTime, cache.lastMatchedTime])
      assert.match(time ?? '', TIME);
    assert.match(cache.snapshotId ?? '', /^s-[a-z0-9]{20}$/);
    assert.equal(cache.flashSnapshotId, undefined);
    assert.deepEqual(
      cache.tags?.map(({ key, value }) => [key, value]),
      [['imc', 'test']],
    );
    for (const event of cache.events ?? assert.fail()) {
      assert.equal(typeof event.count, 'number');
      assert.equal(event.type, 'Normal');
      assert.ok(event.reason && event.message && event.name);
      for (const time of [event.firstTimestamp, event.lastTimestamp]) assert.match(time ?? '', TIME);
    }
  });

  test('2.0.3 updates, with and without new content, and reads the usage', async () => {
    const imageCacheId = await client.create();
    const update = (fields: object) =>
      sdk.updateImageCache(new eci.UpdateImageCacheRequest({ regionId, imageCacheId, ...fields }));
    await update({
      imageCacheName: 'renamed',
      retentionDays: 1,
      tag: [new eci.UpdateImageCacheRequestTag({ key: 'k' })],
    });
    assert.deepEqual((await client.cache(imageCacheId)).ImageCacheName, 'renamed');
    await update({ image: [live.otherImage] });
    assert.deepEqual((await client.settled(imageCacheId)).Images, [live.otherImage]);
    await assert.rejects(update({ imageCacheName: 'renamed' }), { code: 'NoNeedUpdate' });
    const { attributes } = (await sdk.listUsage(new eci.ListUsageRequest({ regionId }))).body;
    assert.equal(attributes?.MaxImageCacheCount, 500);
  });

  test('2.0.3 reads the regions', async () => {
    const { regions } = (await sdk.describeRegions(new eci.DescribeRegionsRequest({}))).body;
    assert.deepEqual(
      regions?.map((region) => [region.regionId, region.regionEndpoint, region.zones]),
      [[regionId, live.endpoint, [`${regionId}-a`]]],
    );
  });

  test('pop-core tags, lists and untags, for which no model of npm exists', async () => {
    const ResourceId = await client.create();
    const key = { accessKeyId: client.key.id, accessKeySecret: client.key.secret };
    const plain = new RpcClient({ ...key, endpoint: `http://${live.endpoint}`, apiVersion: '2018-08-08' });
    const resource = { RegionId: REGION_ID, ResourceType: 'ImageCache', 'ResourceId.1': ResourceId };
    const tags = async () =>
      (
        await plain.request<{ TagResources: object[] }>('ListTagResources', { ...resource, Limit: '10' }, {})
      ).TagResources.map((tag) => ({ ...tag }));
    await plain.request('TagResources', { ...resource, 'Tag.1.Key': 'a', 'Tag.1.Value': '1', 'Tag.2.Key': 'b' }, {});
    assert.deepEqual(await tags(), [
      { ResourceType: 'ImageCache', ResourceId, TagKey: 'a', TagValue: '1' },
      { ResourceType: 'ImageCache', ResourceId, TagKey: 'b', TagValue: '' },
    ]);
    await plain.request('UntagResources', { ...resource, 'TagKey.1': 'a' }, { method: 'POST' });
    assert.equal((await tags()).length, 1);
    await plain.request('UntagResources', { ...resource, All: 'true' }, {});
    assert.deepEqual(await tags(), []);
  });
});
