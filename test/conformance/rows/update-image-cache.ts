import assert from 'node:assert/strict';
import { ACR_INSTANCE } from '../live.ts';
import { type Row, rowsOf } from '../row.ts';

const row = rowsOf('UpdateImageCache');
const ACTION = 'UpdateImageCache';
const INVALID = { status: 400, code: 'InvalidParameter' };
const TOO_LONG = { status: 400, code: 'InvalidParameter.LengthExceeded' };
const TOO_MUCH = { status: 400, code: 'InvalidParameter.ValueExceeded' };
const NOT_FOUND = { status: 404, code: 'InvalidParameter.NotFound' };
const NO_NEED = {
  status: 400,
  code: 'NoNeedUpdate',
  message: 'There are no changes to be updated for current resource.',
};
const missing = (name: string) => ({ status: 400, code: `Missing${name}` });

/** Parameters without effect, with a value that is refused where there is one. */
const IGNORED: Readonly<Record<string, { good: string; bad?: string }>> = {
  AutoMatchImageCache: { good: 'true', bad: 'perhaps' },
  Flash: { good: 'false', bad: 'perhaps' },
  StandardCopyCount: { good: '2', bad: 'two' },
  FlashCopyCount: { good: '2', bad: 'two' },
  SecurityGroupId: { good: 'sg-uf66jeqopgqa9hdn0000' },
  VSwitchId: { good: 'vsw-1,vsw-2' },
  EipInstanceId: { good: 'eip-uf66jeqopgqa9hdn0000' },
};

export const updateParameters: readonly Row[] = [
  row('parameter', 'RegionId', 'is mandatory, and a cache is updated in its region only', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), ImageCacheName: 'new' };
    await client.refused(ACTION, { ...params, RegionId: '' }, missing('RegionId'));
    await client.refused(ACTION, { ...params, RegionId: 'elsewhere' }, NOT_FOUND);
  }),
  row('parameter', 'ImageCacheId', 'is mandatory; the answer is RequestId alone', async (live) => {
    const client = await live.newClient();
    await client.refused(ACTION, { ImageCacheName: 'new' }, missing('ImageCacheId'));
    const params = { ImageCacheId: await client.create(), ImageCacheName: 'new' };
    assert.deepEqual(Object.keys(await client.ok(ACTION, params)), ['RequestId']);
  }),
  row('parameter', 'ImageCacheName', 'changes the name at once, and nothing else', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    const before = await client.cache(ImageCacheId);
    await client.ok(ACTION, { ImageCacheId, ImageCacheName: 'new' });
    assert.deepEqual(await client.cache(ImageCacheId), { ...before, ImageCacheName: 'new' });
    await client.refused(ACTION, { ImageCacheId, ImageCacheName: 'x'.repeat(129) }, INVALID);
  }),
  row(
    'parameter',
    'Image',
    'pulls again; the old images and snapshot are shown until the new are there',
    async (live) => {
      const client = await live.newClient();
      const ImageCacheId = await client.create();
      const before = await client.cache(ImageCacheId);
      await client.ok(ACTION, { ImageCacheId, Image: [live.otherImage] });
      const during = await client.cache(ImageCacheId);
      if (during.Status === 'Updating') {
        assert.deepEqual([during.Images, during.SnapshotId], [before.Images, before.SnapshotId]);
      }
      const after = await client.settled(ImageCacheId);
      assert.deepEqual([after.Status, after.Images, after.Progress], ['Ready', [live.otherImage], '100%']);
      assert.notEqual(after.SnapshotId, before.SnapshotId);
      assert.notEqual(after.ContainerGroupId, before.ContainerGroupId);
    },
  ),
  row('parameter', 'Image', 'also the unchanged list is pulled again', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    const { SnapshotId } = await client.cache(ImageCacheId);
    await client.ok(ACTION, { ImageCacheId, Image: [live.image] });
    const after = await client.settled(ImageCacheId);
    assert.equal(after.Status, 'Ready');
    assert.notEqual(after.SnapshotId, SnapshotId);
  }),
  row(
    'parameter',
    'Image',
    'a failed pull leaves UpdateFailed with the old content, and another update is allowed',
    async (live) => {
      const client = await live.newClient();
      const ImageCacheId = await client.create();
      const before = await client.cache(ImageCacheId);
      await client.ok(ACTION, { ImageCacheId, Image: [live.missingImage] });
      const failed = await client.settled(ImageCacheId);
      assert.deepEqual(
        [failed.Status, failed.Images, failed.SnapshotId],
        ['UpdateFailed', before.Images, before.SnapshotId],
      );
      assert.equal(failed.ExpireDateTime, undefined, 'it is not removed like a cache that never was Ready');
      assert.ok(failed.Events.some((event: { Type: string }) => event.Type === 'Warning'));
      await client.ok(ACTION, { ImageCacheId, Image: [live.image] });
      assert.equal((await client.settled(ImageCacheId)).Status, 'Ready');
    },
  ),
  row('parameter', 'Image', 'up to 20 references that can be parsed', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    await client.refused(ACTION, { ImageCacheId, Image: ['a//b'] }, INVALID);
    const many = Array.from({ length: 21 }, (_, index) => `${live.image}${index}`);
    await client.refused(ACTION, { ImageCacheId, Image: many }, TOO_LONG);
  }),
  row('parameter', 'ImageCacheSize', 'changes the size; smaller than 20 is raised', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create({ ImageCacheSize: '40' });
    await client.ok(ACTION, { ImageCacheId, ImageCacheSize: '10' });
    assert.equal((await client.cache(ImageCacheId)).ImageCacheSize, 20);
    await client.refused(ACTION, { ImageCacheId, ImageCacheSize: '32769' }, TOO_MUCH);
  }),
  row('parameter', 'RetentionDays', 'counts from the creation', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    await client.ok(ACTION, { ImageCacheId, RetentionDays: '2' });
    const cache = await client.cache(ImageCacheId);
    assert.equal(Date.parse(cache.ExpireDateTime) - Date.parse(cache.CreationTime), 2 * 86_400_000);
    await client.refused(ACTION, { ImageCacheId, RetentionDays: '65537' }, TOO_MUCH);
  }),
  row('parameter', 'ResourceGroupId', 'moves the cache', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    await client.ok(ACTION, { ImageCacheId, ResourceGroupId: 'rg-web' });
    assert.equal((await client.cache(ImageCacheId)).ResourceGroupId, 'rg-web');
  }),
  row('parameter', 'EliminationStrategy', 'LRU lets it be eliminated, and empty no longer', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    await client.ok(ACTION, { ImageCacheId, EliminationStrategy: 'LRU' });
    await client.ok(ACTION, { ImageCacheId, ImageCacheName: 'renamed' });
    assert.equal((await client.cache(ImageCacheId)).EliminationStrategy, 'LRU', 'not sent: as it was');
    await client.ok(ACTION, { ImageCacheId, EliminationStrategy: '' });
    assert.equal((await client.cache(ImageCacheId)).EliminationStrategy, undefined);
    await client.refused(ACTION, { ImageCacheId, EliminationStrategy: '' }, { status: 400, code: 'NoNeedUpdate' });
    await client.refused(ACTION, { ImageCacheId, EliminationStrategy: 'FIFO' }, INVALID);
  }),
  row('parameter', 'Tag.Key', 'the given tags replace those there', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create({ Tag: [{ Key: 'old', Value: '1' }] });
    await client.ok(ACTION, { ImageCacheId, Tag: [{ Key: 'new', Value: '2' }] });
    assert.deepEqual((await client.cache(ImageCacheId)).Tags, [{ Key: 'new', Value: '2' }]);
    await client.refused(ACTION, { ImageCacheId, Tag: [{ Key: 'acs:x', Value: '2' }] }, INVALID);
  }),
  row('parameter', 'Tag.Value', 'may be empty', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create({ Tag: [{ Key: 'k', Value: '1' }] });
    await client.ok(ACTION, { ImageCacheId, Tag: [{ Key: 'k', Value: '' }] });
    assert.deepEqual((await client.cache(ImageCacheId)).Tags, [{ Key: 'k', Value: '' }]);
  }),
  ...(['Server', 'UserName', 'Password'] as const).map((name) =>
    row(
      'parameter',
      `ImageRegistryCredential.${name}`,
      'a login without it is taken and counts for nothing',
      async (live) => {
        const client = await live.newClient();
        const ImageCacheId = await client.create();
        const login = { Server: 'registry.example.com', UserName: 'user', Password: 'hunter2-secret' };
        for (const each of [{ ...login, [name]: '' }, login]) {
          await client.ok(ACTION, { ImageCacheId, Image: [live.image], ImageRegistryCredential: [each] });
          assert.equal((await client.settled(ImageCacheId)).Status, 'Ready');
        }
      },
    ),
  ),
  row('parameter', 'AcrRegistryInfo.InstanceId', 'is known to the configuration of the server', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), Image: [live.image] };
    await client.refused(ACTION, { ...params, AcrRegistryInfo: [{ InstanceId: 'cri-unknown' }] }, NOT_FOUND);
    await client.ok(ACTION, { ...params, AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE }] });
  }),
  row('parameter', 'AcrRegistryInfo.Domain', 'is one of the instance', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), Image: [live.image] };
    const AcrRegistryInfo = [{ InstanceId: ACR_INSTANCE, Domain: ['evil.example.com'] }];
    await client.refused(ACTION, { ...params, AcrRegistryInfo }, INVALID);
  }),
  ...(['InstanceName', 'RegionId', 'ArnService', 'ArnUser'] as const).map((name) =>
    row('parameter', `AcrRegistryInfo.${name}`, 'is taken, and without effect', async (live) => {
      const client = await live.newClient();
      const params = { ImageCacheId: await client.create(), Image: [live.image] };
      await client.ok(ACTION, { ...params, AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE, [name]: 'something' }] });
    }),
  ),
  row('parameter', 'ClientToken', 'the same call again succeeds again, and updates nothing', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), ImageCacheName: 'new', ClientToken: 't' };
    const [first, again] = [await client.ok(ACTION, params), await client.ok(ACTION, params)];
    assert.notEqual(again.RequestId, first.RequestId);
    await client.refused(ACTION, { ...params, ClientToken: 'x'.repeat(65) }, TOO_LONG);
  }),
  ...Object.entries(IGNORED).map(([name, { good, bad }]) =>
    row('parameter', name, 'is checked, and alone is no change', async (live) => {
      const client = await live.newClient();
      const ImageCacheId = await client.create();
      await client.refused(ACTION, { ImageCacheId, [name]: good }, NO_NEED);
      if (bad === undefined) return;
      await client.refused(ACTION, { ImageCacheId, [name]: bad }, { status: 400, code: `Invalid${name}` });
    }),
  ),
];

export const updateErrors: readonly Row[] = [
  row('error', 'InvalidParameter', 'names the parameter that is wrong', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), ImageCacheName: 'x'.repeat(129) };
    await client.refused(ACTION, params, INVALID);
  }),
  row('error', 'InvalidParameter.NotFound', 'a cache that is not there, or is another account’s', async (live) => {
    const client = await live.newClient();
    const message = 'The specified ImageCacheId imc-unknown does not exist.';
    await client.refused(ACTION, { ImageCacheId: 'imc-unknown', ImageCacheName: 'x' }, { ...NOT_FOUND, message });
    const other = await (await live.newClient()).create();
    await client.refused(ACTION, { ImageCacheId: other, ImageCacheName: 'x' }, NOT_FOUND);
  }),
  row('error', 'ImageCache.IncorrectStatus', 'any state but Ready and UpdateFailed', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create({ Image: [live.missingImage] });
    const message = `The image cache ${ImageCacheId} is Failed; it can be updated when it is Ready or UpdateFailed.`;
    const expected = { status: 400, code: 'ImageCache.IncorrectStatus', message };
    await client.refused(ACTION, { ImageCacheId, Image: [live.image] }, expected);
  }),
  row('error', 'NoNeedUpdate', 'nothing is changed, and no image given', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    await client.refused(ACTION, { ImageCacheId }, NO_NEED);
    await client.refused(ACTION, { ImageCacheId, ImageCacheName: 'test', ImageCacheSize: '20' }, NO_NEED);
  }),
  row('error', 'IdempotentParameterMismatch', 'the token of another update', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), ImageCacheName: 'new', ClientToken: 't' };
    await client.ok(ACTION, params);
    const expected = { status: 400, code: 'IdempotentParameterMismatch' };
    await client.refused(ACTION, { ...params, ImageCacheName: 'other' }, expected);
  }),
  row('parameter', 'ClientToken', 'of calls at once one is made; the others get its result, or wait', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), ImageCacheName: 'new', ClientToken: 'running' };
    const answers = await Promise.all([1, 2, 3].map(() => client.call(ACTION, params)));
    const outcomes = answers.map((answer) => (answer.status === 200 ? 'done' : answer.json.Code));
    assert.ok(
      outcomes.every((code) => code === 'done' || code === 'LastTokenProcessing'),
      outcomes.join(),
    );
  }),
  row('error', 'DryRunOperation', 'says that it would be updated, and changes nothing', async (live) => {
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    const before = await client.cache(ImageCacheId);
    const params = { ImageCacheId, Image: [live.otherImage], DryRun: 'true' };
    await client.refused(ACTION, params, { status: 400, code: 'DryRunOperation' });
    await client.refused(ACTION, { ImageCacheId, DryRun: 'true' }, NO_NEED);
    assert.deepEqual(await client.cache(ImageCacheId), before);
  }),
  row('format', 'XML', 'a root element with the RequestId', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheId: await client.create(), ImageCacheName: 'new' };
    const { xml } = await client.call(ACTION, params, { format: 'XML' });
    assert.deepEqual([xml.name, xml.children.map(({ name }) => name)], ['UpdateImageCacheResponse', ['RequestId']]);
  }),
];
