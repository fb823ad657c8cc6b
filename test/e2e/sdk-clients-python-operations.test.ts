/** Every operation, parameter and field that the vendor's models for Python know, in the types that the SDKs give them. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { clientProgram } from '../support/client-program.ts';
import { PYTHON, PYTHON_PROGRAM } from '../support/language-clients.ts';
import { programCall } from '../support/program-calls.ts';
import { skipWithout } from '../support/requirements.ts';
import { TIME } from '../support/sdk-lifecycle.ts';
import { withLive } from '../support/with-live.ts';

const program = clientProgram(PYTHON, ['-I', PYTHON_PROGRAM]);
after(() => program.close());

describe('the operations through the SDKs for Python', { skip: skipWithout({ tools: [PYTHON] }) }, () => {
  const world = withLive();
  const call = <T>(how: string, action: string, fields: object) =>
    programCall({ program, client: how, endpoint: world.live.endpoint, key: world.client.key })<T>(action, fields);
  type Answer = { TotalCount: number; ImageCaches: { [name: string]: unknown; Events: Record<string, unknown>[] }[] };

  for (const how of ['models', 'old GET', 'old POST']) {
    test(`${how}: creates with the parameters of its model, matches, and reads every field`, async () => {
      const registry = world.live.image.split('/')[0] ?? '';
      const fields = {
        ImageCacheName: how,
        Image: [world.live.image, world.live.otherImage],
        AcrRegistryInfo: [{ InstanceId: 'cri-conformance1', InstanceName: 'name', Domain: [registry] }],
        AutoMatchImageCache: true,
        ClientToken: how,
        EipInstanceId: 'eip-1',
        EliminationStrategy: 'LRU',
        Flash: true,
        ImageCacheSize: 25,
        ImageRegistryCredential: [{ Server: 'r.example.com', UserName: 'u', Password: 'p' }],
        PlainHttpRegistry: registry,
        ResourceGroupId: 'rg-full',
        RetentionDays: 7,
        SecurityGroupId: 'sg-1',
        StandardCopyCount: 1,
        Tag: [{ Key: 'imc', Value: how }],
        VSwitchId: 'vsw-1,vsw-2',
        ZoneId: 'cn-hangzhou-a',
      };
      const { ImageCacheId, ContainerGroupId } = await call<Record<string, string>>(how, 'CreateImageCache', fields);
      const { SnapshotId, LastMatchedTime: _, ...settled } = await world.client.settled(ImageCacheId ?? '');
      const count = async (MatchImage: string[]) => {
        const match = { ImageCacheId, MatchImage, ImageFullMatch: true, ImageMatchCountRequest: MatchImage.length };
        return (await call<Answer>(how, 'DescribeImageCaches', match)).TotalCount;
      };
      assert.deepEqual([await count(fields.Image), await count([world.live.missingImage])], [1, 0]);

      const filter = { ImageCacheId, ImageCacheName: how, Image: world.live.image, Tag: fields.Tag, Limit: 5 };
      const page = await call<Answer>(how, 'DescribeImageCaches', { ...filter, ResourceGroupId: 'rg-full' });
      assert.deepEqual([page.TotalCount, page.ImageCaches.length], [1, 1]);
      const { LastMatchedTime, ...cache } = page.ImageCaches[0] ?? assert.fail();
      // The model has a place for everything that the server says.
      assert.deepEqual(cache, { SnapshotId, ...settled });
      assert.deepEqual(
        [cache.ImageCacheSize, cache.Images, cache.Tags, cache.ContainerGroupId, cache.EliminationStrategy],
        [25, fields.Image, [{ Key: 'imc', Value: how }], ContainerGroupId, 'LRU'],
      );
      for (const time of [cache.CreationTime, cache.ExpireDateTime, LastMatchedTime ?? cache.CreationTime])
        assert.match(String(time), TIME);
      for (const { Count, Reason, FirstTimestamp } of cache.Events) {
        assert.deepEqual([typeof Count, typeof Reason], ['number', 'string']);
        assert.match(String(FirstTimestamp), TIME);
      }
    });

    test(`${how}: updates, and reads the usage and the regions`, async () => {
      const ImageCacheId = await world.client.create();
      const update = (fields: object) => call(how, 'UpdateImageCache', { ImageCacheId, ...fields });
      await update({ ImageCacheName: `${how}-renamed`, RetentionDays: 1, Tag: [{ Key: 'k' }] });
      assert.equal((await world.client.cache(ImageCacheId)).ImageCacheName, `${how}-renamed`);
      await update({ Image: [world.live.otherImage] });
      assert.deepEqual((await world.client.settled(ImageCacheId)).Images, [world.live.otherImage]);
      await assert.rejects(update({ ImageCacheName: `${how}-renamed` }), { code: 'NoNeedUpdate' });
      const { Attributes } = await call<{ Attributes: Record<string, unknown> }>(how, 'ListUsage', {});
      assert.equal(Attributes.MaxImageCacheCount, 500);
      const { Regions } = await call<{ Regions: { RegionEndpoint: string }[] }>(how, 'DescribeRegions', {});
      assert.equal(Regions[0]?.RegionEndpoint, world.live.endpoint);
    });
  }

  test(`models: tags, lists and untags`, async () => {
    const id = await world.client.create();
    const resource = { ResourceType: 'ImageCache', ResourceId: [id] };
    const tags = async () =>
      (await call<{ TagResources: object[] }>('models', 'ListTagResources', resource)).TagResources;
    await call('models', 'TagResources', { ...resource, Tag: [{ Key: 'a', Value: '1' }, { Key: 'b' }] });
    await call('models', 'UntagResources', { ...resource, TagKey: ['b'] });
    assert.deepEqual(await tags(), [{ ResourceType: 'ImageCache', ResourceId: id, TagKey: 'a', TagValue: '1' }]);
  });
});
