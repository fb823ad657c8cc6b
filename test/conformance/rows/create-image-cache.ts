import assert from 'node:assert/strict';
import type { Params } from '../client.ts';
import { ACR_INSTANCE } from '../live.ts';
import { type Row, rowsOf } from '../row.ts';
import { one } from '../xml.ts';

const row = rowsOf('CreateImageCache');
const ACTION = 'CreateImageCache';
const INVALID = { status: 400, code: 'InvalidParameter' };
const TOO_LONG = { status: 400, code: 'InvalidParameter.LengthExceeded' };
const TOO_MUCH = { status: 400, code: 'InvalidParameter.ValueExceeded' };
const missing = (name: string) => ({ status: 400, code: `Missing${name}` });

/** Parameters that name something of the vendor's cloud: taken, and without effect. */
const IGNORED: Readonly<Record<string, string>> = {
  ZoneId: 'cn-hangzhou-b',
  SecurityGroupId: 'sg-uf66jeqopgqa9hdn0000',
  EipInstanceId: 'eip-uf66jeqopgqa9hdn0000',
  Annotations: 'hide',
  Flash: 'true',
  AutoMatchImageCache: 'true',
};

const good = (image: string): Params => ({ ImageCacheName: 'test', Image: [image] });

export const createParameters: readonly Row[] = [
  row('parameter', 'RegionId', 'is mandatory, and is where the cache is', async (live) => {
    const client = await live.newClient();
    await client.refused(ACTION, { ...good(live.image), RegionId: '' }, missing('RegionId'));
    const id = await client.create({ RegionId: 'elsewhere' });
    assert.equal((await client.cache(id, 'elsewhere')).RegionId, 'elsewhere');
    assert.equal(await client.cache(id), undefined);
  }),
  row(
    'parameter',
    'ImageCacheName',
    'is mandatory, 1 to 128 characters of any kind but control characters',
    async (live) => {
      const client = await live.newClient();
      await client.refused(ACTION, { Image: [live.image] }, missing('ImageCacheName'));
      for (const ImageCacheName of ['x'.repeat(129), ' ', 'a\tb', 'a\u007fb']) {
        await client.refused(ACTION, { ...good(live.image), ImageCacheName }, INVALID);
      }
      const ImageCacheName = "a b+c*~é/中!'()";
      assert.equal((await client.cache(await client.create({ ImageCacheName }))).ImageCacheName, ImageCacheName);
    },
  ),
  row('parameter', 'ImageCacheName', 'need not be unique', async (live) => {
    const client = await live.newClient();
    assert.notEqual(await client.create({ ImageCacheName: 'twin' }), await client.create({ ImageCacheName: 'twin' }));
  }),
  row('parameter', 'Image', 'is mandatory, 1 to 20 references that can be parsed', async (live) => {
    const client = await live.newClient();
    await client.refused(ACTION, { ImageCacheName: 'x' }, missing('Image'));
    const many = Array.from({ length: 21 }, (_, index) => `${live.image}${index}`);
    await client.refused(ACTION, { ImageCacheName: 'x', Image: many }, TOO_LONG);
    await client.ok(ACTION, { ImageCacheName: 'x', Image: many.slice(1) });
    for (const bad of ['UPPER/case:1:2', 'a//b', 'a:', 'a@sha256:12']) {
      await client.refused(ACTION, { ImageCacheName: 'x', Image: [live.image, bad] }, INVALID);
    }
  }),
  row('parameter', 'Image', 'comes back exactly as given, in its order', async (live) => {
    const client = await live.newClient();
    const Image = ['nginx', live.image, 'docker.io/library/nginx:latest'];
    const { ImageCacheId } = await client.ok(ACTION, { ImageCacheName: 'x', Image });
    assert.deepEqual((await client.cache(ImageCacheId)).Images, Image);
  }),
  row('parameter', 'ImageCacheSize', '20 to 32768 GiB; smaller is raised to 20, 20 when absent', async (live) => {
    const client = await live.newClient();
    const size = async (params: Params) => (await client.cache(await client.create(params))).ImageCacheSize;
    assert.deepEqual(
      [await size({}), await size({ ImageCacheSize: '10' }), await size({ ImageCacheSize: '32768' })],
      [20, 20, 32_768],
    );
    for (const ImageCacheSize of ['0', '32769', '-1']) {
      await client.refused(ACTION, { ...good(live.image), ImageCacheSize }, TOO_MUCH);
    }
    const word = { ...good(live.image), ImageCacheSize: 'ten' };
    await client.refused(ACTION, word, { status: 400, code: 'InvalidImageCacheSize' });
  }),
  row('parameter', 'RetentionDays', '1 to 65536 days from the creation; for ever when absent', async (live) => {
    const client = await live.newClient();
    const kept = await client.cache(await client.create({ RetentionDays: '65536' }));
    assert.equal(Date.parse(kept.ExpireDateTime) - Date.parse(kept.CreationTime), 65_536 * 86_400_000);
    assert.equal((await client.cache(await client.create())).ExpireDateTime, undefined);
    for (const RetentionDays of ['0', '65537']) {
      await client.refused(ACTION, { ...good(live.image), RetentionDays }, TOO_MUCH);
    }
  }),
  ...(['Server', 'UserName', 'Password'] as const).map((name) =>
    row(
      'parameter',
      `ImageRegistryCredential.${name}`,
      'of up to 10 logins; one without it is taken and counts for nothing; never comes back',
      async (live) => {
        const client = await live.newClient();
        const login = { Server: 'registry.example.com', UserName: 'user', Password: 'hunter2-secret' };
        for (const value of ['', undefined]) {
          await client.create({ ImageRegistryCredential: [{ ...login, [name]: value }] });
        }
        const eleven = Array.from({ length: 11 }, () => login);
        await client.refused(ACTION, { ...good(live.image), ImageRegistryCredential: eleven }, TOO_LONG);
        const id = await client.create({ ImageRegistryCredential: [login] });
        assert.doesNotMatch(JSON.stringify(await client.cache(id)), /hunter2/);
      },
    ),
  ),
  row(
    'parameter',
    'AcrRegistryInfo.InstanceId',
    'is mandatory, and known to the configuration of the server',
    async (live) => {
      const client = await live.newClient();
      await client.refused(
        ACTION,
        { ...good(live.image), AcrRegistryInfo: [{ InstanceName: 'x' }] },
        missing('AcrRegistryInfo.1.InstanceId'),
      );
      const unknown = { ...good(live.image), AcrRegistryInfo: [{ InstanceId: 'cri-unknown' }] };
      await client.refused(ACTION, unknown, { status: 404, code: 'InvalidParameter.NotFound' });
      const many = Array.from({ length: 21 }, () => ({ InstanceId: ACR_INSTANCE }));
      await client.refused(ACTION, { ...good(live.image), AcrRegistryInfo: many }, TOO_LONG);
      const id = await client.create({ AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE }] });
      assert.equal((await client.cache(id)).Status, 'Ready');
    },
  ),
  row(
    'parameter',
    'AcrRegistryInfo.Domain',
    'some of the instance’s domains, one each or comma separated',
    async (live) => {
      const client = await live.newClient();
      const [host = ''] = live.image.split('/');
      await client.create({ AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE, Domain: [host] }] });
      const foreign = {
        ...good(live.image),
        AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE, Domain: [`${host},evil.example.com`] }],
      };
      await client.refused(ACTION, foreign, INVALID);
    },
  ),
  ...(['InstanceName', 'RegionId', 'ArnService', 'ArnUser'] as const).map((name) =>
    row(
      'parameter',
      `AcrRegistryInfo.${name}`,
      'is taken, and without effect: the configuration knows the instance',
      async (live) => {
        const client = await live.newClient();
        const id = await client.create({ AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE, [name]: 'something' }] });
        assert.equal((await client.cache(id)).Status, 'Ready');
        const long = { ...good(live.image), AcrRegistryInfo: [{ InstanceId: ACR_INSTANCE, [name]: 'x'.repeat(257) }] };
        await client.refused(ACTION, long, TOO_LONG);
      },
    ),
  ),
  row(
    'parameter',
    'PlainHttpRegistry',
    'a comma-separated list, also in the literal quotes of the vendor’s example',
    async (live) => {
      const client = await live.newClient();
      const id = await client.create({
        PlainHttpRegistry: `"${live.image.split('/')[0] ?? ''},other.example.com:5000"`,
      });
      assert.equal((await client.cache(id)).Status, 'Ready');
      await client.refused(ACTION, { ...good(live.image), PlainHttpRegistry: 'x'.repeat(4097) }, TOO_LONG);
    },
  ),
  row('parameter', 'InsecureRegistry', 'a comma-separated list, also in literal quotes', async (live) => {
    const client = await live.newClient();
    const id = await client.create({ InsecureRegistry: '"harbor.example.com, 192.168.0.10:5000"' });
    assert.equal((await client.cache(id)).Status, 'Ready');
    await client.refused(ACTION, { ...good(live.image), InsecureRegistry: 'x'.repeat(4097) }, TOO_LONG);
  }),
  row('parameter', 'Tag.Key', 'up to 20 tags; a key of 1 to 128 characters, not of the vendor’s own', async (live) => {
    const client = await live.newClient();
    const tags = Array.from({ length: 20 }, (_, index) => ({ Key: `k${index}`, Value: 'v' }));
    assert.deepEqual((await client.cache(await client.create({ Tag: tags }))).Tags, tags);
    await client.refused(ACTION, { ...good(live.image), Tag: [...tags, { Key: 'more' }] }, TOO_LONG);
    for (const Key of ['aliyun.x', 'acs:x', 'http://x']) {
      await client.refused(ACTION, { ...good(live.image), Tag: [{ Key, Value: 'v' }] }, INVALID);
    }
    await client.refused(ACTION, { ...good(live.image), Tag: [{ Key: 'x'.repeat(129) }] }, TOO_LONG);
  }),
  row('parameter', 'Tag.Value', 'up to 128 characters, may be empty', async (live) => {
    const client = await live.newClient();
    const Tag = [
      { Key: 'a', Value: '' },
      { Key: 'b', Value: 'x'.repeat(128) },
    ];
    assert.deepEqual((await client.cache(await client.create({ Tag }))).Tags, Tag);
    await client.refused(ACTION, { ...good(live.image), Tag: [{ Key: 'a', Value: 'x'.repeat(129) }] }, TOO_LONG);
  }),
  row('parameter', 'ResourceGroupId', 'comes back; rg-default when absent', async (live) => {
    const client = await live.newClient();
    const group = async (params: Params) => (await client.cache(await client.create(params))).ResourceGroupId;
    assert.deepEqual([await group({}), await group({ ResourceGroupId: 'rg-web' })], ['rg-default', 'rg-web']);
  }),
  row('parameter', 'EliminationStrategy', 'LRU or nothing', async (live) => {
    const client = await live.newClient();
    const strategy = async (params: Params) => (await client.cache(await client.create(params))).EliminationStrategy;
    assert.deepEqual(
      [await strategy({ EliminationStrategy: 'LRU' }), await strategy({ EliminationStrategy: '' })],
      ['LRU', undefined],
    );
    await client.refused(ACTION, { ...good(live.image), EliminationStrategy: 'FIFO' }, INVALID);
  }),
  row(
    'parameter',
    'ClientToken',
    'the same call again gets the first result, with a RequestId of its own',
    async (live) => {
      const client = await live.newClient();
      const params = { ...good(live.image), ClientToken: 'x'.repeat(64) };
      const [first, again] = [await client.ok(ACTION, params), await client.ok(ACTION, params, { scheme: 'V3' })];
      assert.deepEqual({ ...again, RequestId: '' }, { ...first, RequestId: '' });
      assert.notEqual(again.RequestId, first.RequestId);
      await client.refused(ACTION, { ...params, ClientToken: 'x'.repeat(65) }, TOO_LONG);
      await client.refused(ACTION, { ...params, ClientToken: 'é' }, INVALID);
      assert.equal((await client.ok('ListUsage')).Attributes.UsedImageCacheCount, 1);
    },
  ),
  row('parameter', 'OsType', 'Linux', async (live) => {
    const client = await live.newClient();
    await client.create({ OsType: 'Linux' });
    await client.refused(ACTION, { ...good(live.image), OsType: 'Windows' }, INVALID);
  }),
  row('parameter', 'VSwitchId', 'up to 10, comma separated; without effect', async (live) => {
    const client = await live.newClient();
    const ids = Array.from({ length: 11 }, (_, index) => `vsw-${index}`);
    await client.create({ VSwitchId: ids.slice(1).join(',') });
    await client.refused(ACTION, { ...good(live.image), VSwitchId: ids.join(',') }, TOO_LONG);
  }),
  ...(['StandardCopyCount', 'FlashCopyCount'] as const).map((name) =>
    row('parameter', name, 'a number from 1 up, without effect', async (live) => {
      const client = await live.newClient();
      await client.create({ [name]: '2' });
      await client.refused(ACTION, { ...good(live.image), [name]: '0' }, TOO_MUCH);
      await client.refused(ACTION, { ...good(live.image), [name]: 'two' }, { status: 400, code: `Invalid${name}` });
    }),
  ),
  ...Object.entries(IGNORED).map(([name, value]) =>
    row('parameter', name, 'is taken, and without effect', async (live) => {
      const client = await live.newClient();
      assert.equal((await client.cache(await client.create({ [name]: value }))).Status, 'Ready');
    }),
  ),
  row(
    'parameter',
    'AutoMatchImageCache',
    'layers are reused whatever it says; the event Pulled tells how many',
    async (live) => {
      const client = await live.newClient();
      await client.create();
      for (const AutoMatchImageCache of ['true', 'false', undefined]) {
        const { Events } = await client.cache(await client.create({ AutoMatchImageCache }));
        const pulled = Events.find((event: { Reason: string }) => event.Reason === 'Pulled');
        assert.match(pulled.Message, /^Successfully pulled image \S+ \(1 layers, 1 reused, /);
      }
    },
  ),
  ...(['Flash', 'AutoMatchImageCache'] as const).map((name) =>
    row('parameter', name, 'is true or false', async (live) => {
      const client = await live.newClient();
      await client.refused(ACTION, { ...good(live.image), [name]: 'perhaps' }, { status: 400, code: `Invalid${name}` });
    }),
  ),
];

export const createResults: readonly Row[] = [
  row('field', 'ImageCacheId', 'imc- and 20 lower-case letters or digits', async (live) => {
    const client = await live.newClient();
    assert.match((await client.ok(ACTION, good(live.image))).ImageCacheId, /^imc-[a-z0-9]{20}$/);
  }),
  row(
    'field',
    'ContainerGroupId',
    'eci- and 20 lower-case letters or digits, as DescribeImageCaches shows it',
    async (live) => {
      const client = await live.newClient();
      const { ImageCacheId, ContainerGroupId } = await client.ok(ACTION, good(live.image));
      assert.match(ContainerGroupId, /^eci-[a-z0-9]{20}$/);
      assert.equal((await client.cache(ImageCacheId)).ContainerGroupId, ContainerGroupId);
    },
  ),
  row('format', 'XML', 'RequestId and both ids as elements', async (live) => {
    const client = await live.newClient();
    const { xml } = await client.call(ACTION, good(live.image), { format: 'XML' });
    assert.equal(xml.name, 'CreateImageCacheResponse');
    assert.match(one(xml, 'ImageCacheId'), /^imc-/);
    assert.match(one(xml, 'ContainerGroupId'), /^eci-/);
  }),
  row(
    'format',
    'old parameters',
    'OwnerId, OwnerAccount, ResourceOwnerId, ResourceOwnerAccount and VkClientVersion are ignored',
    async (live) => {
      const client = await live.newClient();
      await client.create({
        OwnerId: '1',
        OwnerAccount: 'a',
        ResourceOwnerId: '2',
        ResourceOwnerAccount: 'b',
        VkClientVersion: 'v',
      });
    },
  ),
  row('error', 'InvalidParameter', 'names the parameter and what is wrong with it', async (live) => {
    const client = await live.newClient();
    const message = /^The specified parameter ImageCacheName is invalid, must not be longer than 128 characters\.$/;
    await client.refused(ACTION, { ...good(live.image), ImageCacheName: 'x'.repeat(129) }, { ...INVALID, message });
  }),
  row('error', 'InvalidParameter.NotFound', 'an instance that the server does not know', async (live) => {
    const client = await live.newClient();
    const message = 'The specified AcrRegistryInfo.1.InstanceId cri-x does not exist.';
    const params = { ...good(live.image), AcrRegistryInfo: [{ InstanceId: 'cri-x' }] };
    await client.refused(ACTION, params, { status: 404, code: 'InvalidParameter.NotFound', message });
  }),
  row('error', 'QuotaExceeded', 'the quota of the account is reached, and nothing may be eliminated', async (live) => {
    const client = await live.newClient();
    await live.admin.store.accounts.setMaxImageCaches(client.accountId, 1);
    await client.create();
    const expected = { status: 403, code: 'QuotaExceeded', message: 'ImageCache quota exceeded.' };
    await client.refused(ACTION, good(live.image), expected);
    await client.create({ RegionId: 'elsewhere' });
  }),
  row(
    'error',
    'QuotaExceeded',
    'not while a cache with the strategy LRU can make room: the least recently used one goes',
    async (live) => {
      const client = await live.newClient();
      await live.admin.store.accounts.setMaxImageCaches(client.accountId, 2);
      const ids = [
        await client.create({ EliminationStrategy: 'LRU' }),
        await client.create({ EliminationStrategy: 'LRU' }),
      ];
      const third = await client.create();
      const left = (await client.ok('DescribeImageCaches')).ImageCaches.map(
        (cache: { ImageCacheId: string }) => cache.ImageCacheId,
      );
      assert.equal(left.length, 2);
      assert.ok(left.includes(third) && ids.some((id) => left.includes(id)));
    },
  ),
  row('error', 'IdempotentParameterMismatch', 'the token of another call', async (live) => {
    const client = await live.newClient();
    await client.ok(ACTION, { ...good(live.image), ClientToken: 't' });
    const other = { ...good(live.image), ImageCacheName: 'other', ClientToken: 't' };
    await client.refused(ACTION, other, { status: 400, code: 'IdempotentParameterMismatch' });
  }),
  row('parameter', 'ClientToken', 'of calls at once one is made; the others get its result, or wait', async (live) => {
    const client = await live.newClient();
    const params = { ...good(live.image), ClientToken: 'running' };
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.call(ACTION, params)));
    const outcomes = answers.map((answer) => (answer.status === 200 ? 'done' : answer.json.Code));
    assert.ok(
      outcomes.every((code) => code === 'done' || code === 'LastTokenProcessing'),
      outcomes.join(),
    );
    assert.equal((await client.ok('ListUsage')).Attributes.UsedImageCacheCount, 1);
  }),
];
