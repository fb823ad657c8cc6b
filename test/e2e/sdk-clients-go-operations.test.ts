/** Every operation, parameter and field that the vendor's models for Go know; what they do not know without models. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { clientProgram } from '../support/client-program.ts';
import { GO_CLIENT } from '../support/language-clients.ts';
import { programCall } from '../support/program-calls.ts';
import { skipWithout } from '../support/requirements.ts';
import { TIME } from '../support/sdk-lifecycle.ts';
import { REQUEST_ID } from '../support/sdk-refusals.ts';
import { withLive } from '../support/with-live.ts';

const program = clientProgram(GO_CLIENT);
after(() => program.close());

describe('the operations through the SDK for Go', { skip: skipWithout({ tools: [GO_CLIENT] }) }, () => {
  const world = withLive();
  const call = <T>(how: string, action: string, fields: object) =>
    programCall({ program, client: how, endpoint: world.live.endpoint, key: world.client.key })<T>(action, fields);

  test('models: creates with every parameter and reads every field', async () => {
    const created = await call<Record<string, string>>('models', 'CreateImageCache', {
      ImageCacheName: 'full ~*',
      Image: [world.live.image, world.live.otherImage],
      ZoneId: 'cn-hangzhou-a',
      SecurityGroupId: 'sg-1',
      VSwitchId: 'vsw-1,vsw-2',
      ImageRegistryCredential: [{ Server: 'r.example.com', UserName: 'u', Password: 'p' }],
      EipInstanceId: 'eip-1',
      ResourceGroupId: 'rg-full',
      ClientToken: 'full',
      // Numbers of requests are text in this SDK.
      ImageCacheSize: '25',
      RetentionDays: '7',
      VkClientVersion: '1.0',
      OwnerId: '1',
      OwnerAccount: 'a',
      ResourceOwnerId: '1',
      ResourceOwnerAccount: 'a',
    });
    assert.deepEqual(Object.keys(created), ['RequestId', 'ImageCacheId', 'ContainerGroupId']);
    const { ImageCacheId = '', ContainerGroupId } = created;
    const { SnapshotId } = await world.client.settled(ImageCacheId);
    const filter = { ImageCacheId, ImageCacheName: 'full ~*', Image: world.live.image, SnapshotId };
    const { RequestId, ImageCaches } = await call<{
      RequestId: string;
      ImageCaches: { [name: string]: unknown; Events: { [name: string]: unknown }[] }[];
    }>('models', 'DescribeImageCaches', filter);
    assert.match(RequestId, REQUEST_ID);
    assert.equal(ImageCaches.length, 1);
    const { Events, CreationTime, ExpireDateTime, ...rest } = ImageCaches[0] ?? assert.fail();
    for (const time of [CreationTime, ExpireDateTime]) assert.match(String(time), TIME);
    assert.deepEqual(rest, {
      ContainerGroupId,
      ImageCacheId,
      ImageCacheName: 'full ~*',
      Images: [world.live.image, world.live.otherImage],
      Progress: '100%',
      SnapshotId,
      Status: 'Ready',
    });
    assert.ok(Events.length > 0);
    for (const { Count, Type, Name, Message, FirstTimestamp, LastTimestamp, ...others } of Events) {
      assert.deepEqual([Count, Type, others], [1, 'Normal', {}]);
      assert.ok(Name && Message);
      for (const time of [FirstTimestamp, LastTimestamp]) assert.match(String(time), TIME);
    }
  });

  test('models: reads the regions', async () => {
    const { Regions } = await call<{ Regions: object[] }>('models', 'DescribeRegions', {});
    const known = { RegionId: 'cn-hangzhou', RegionEndpoint: world.live.endpoint, Zones: ['cn-hangzhou-a'] };
    assert.partialDeepStrictEqual(Regions, [known]);
  });

  test('CommonRequest: matches, updates, tags and untags, for which this SDK has no models', async () => {
    const how = 'common POST';
    const ImageCacheId = await world.client.create();
    const match = {
      ImageCacheId,
      'MatchImage.1': world.live.image,
      ImageFullMatch: 'true',
      ImageMatchCountRequest: '1',
    };
    assert.equal((await call<{ TotalCount: number }>(how, 'DescribeImageCaches', match)).TotalCount, 1);
    await call(how, 'UpdateImageCache', { ImageCacheId, ImageCacheName: 'renamed', 'Tag.1.Key': 'k' });
    assert.equal((await world.client.cache(ImageCacheId)).ImageCacheName, 'renamed');
    const resource = { ResourceType: 'ImageCache', 'ResourceId.1': ImageCacheId };
    await call(how, 'TagResources', { ...resource, 'Tag.1.Key': 'a', 'Tag.1.Value': '1' });
    await call(how, 'UntagResources', { ...resource, 'TagKey.1': 'k' });
    const { TagResources } = await call<{ TagResources: object[] }>('common GET', 'ListTagResources', resource);
    assert.deepEqual(TagResources, [
      { ResourceType: 'ImageCache', ResourceId: ImageCacheId, TagKey: 'a', TagValue: '1' },
    ]);
  });
});
