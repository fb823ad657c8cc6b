import assert from 'node:assert/strict';
import type { Client } from '../client.ts';
import { rowsOf } from '../row.ts';
import { all, one } from '../xml.ts';

const TYPE = { ResourceType: 'ImageCache' } as const;
const NOT_FOUND = { status: 404, code: 'InvalidParameter.NotFound' };
const MISSING = (name: string) => ({ status: 400, code: `Missing${name}` });
const INVALID = { status: 400, code: 'InvalidParameter' };
const TOO_LONG = { status: 400, code: 'InvalidParameter.LengthExceeded' };
const TOO_MANY_TAGS = { status: 400, code: 'NumberExceed.Tags', message: 'The length of tags exceeded limit: 20.' };
const KEYS = Array.from({ length: 21 }, (_, index) => `k${index}`);
const TAGS = KEYS.map((Key) => ({ Key, Value: '' }));

const tag = rowsOf('TagResources');
const untag = rowsOf('UntagResources');
const list = rowsOf('ListTagResources');

async function tagged(
  client: Client,
  tags = [
    { Key: 'a', Value: '1' },
    { Key: 'b', Value: '' },
  ],
): Promise<string> {
  return client.create({ Tag: tags });
}

async function tagsOf(client: Client, id: string): Promise<unknown> {
  return (await client.cache(id)).Tags;
}

export const tagResources = [
  tag('parameter', 'RegionId', 'is mandatory', async (live) => {
    const client = await live.newClient();
    const params = { ...TYPE, ResourceId: ['imc-x'], Tag: [{ Key: 'k' }], RegionId: '' };
    await client.refused('TagResources', params, MISSING('RegionId'));
  }),
  tag('parameter', 'ResourceType', 'is mandatory, and ImageCache', async (live) => {
    const client = await live.newClient();
    const params = { ResourceId: [await client.create()], Tag: [{ Key: 'k' }] };
    await client.refused('TagResources', params, MISSING('ResourceType'));
    for (const ResourceType of ['ContainerGroup', 'DataCache', 'VirtualNode', 'imagecache']) {
      await client.refused('TagResources', { ...params, ResourceType }, INVALID);
    }
  }),
  tag('parameter', 'ResourceId', 'one or up to 50 caches, all tagged or none', async (live) => {
    const client = await live.newClient();
    const ids = [await client.create(), await client.create()];
    const Tag = [{ Key: 'k', Value: 'v' }];
    await client.refused('TagResources', { ...TYPE, Tag }, MISSING('ResourceId'));
    await client.refused('TagResources', { ...TYPE, Tag, ResourceId: [...ids, 'imc-unknown'] }, NOT_FOUND);
    assert.deepEqual(await tagsOf(client, ids[0] ?? ''), []);
    await client.ok('TagResources', { ...TYPE, Tag, ResourceId: ids });
    for (const id of ids) assert.deepEqual(await tagsOf(client, id), Tag);
    const many = Array.from({ length: 51 }, (_, index) => `imc-${index}`);
    await client.refused('TagResources', { ...TYPE, Tag, ResourceId: many }, TOO_LONG);
  }),
  tag('parameter', 'Tag.Key', 'is mandatory, up to 128 characters, not of the vendor’s own', async (live) => {
    const client = await live.newClient();
    const ResourceId = [await client.create()];
    await client.refused('TagResources', { ...TYPE, ResourceId }, MISSING('Tag'));
    for (const first of [{ Value: 'v' }, { Key: '', Value: 'v' }]) {
      const Tag = [{ Key: 'k' }, first];
      await client.refused('TagResources', { ...TYPE, ResourceId, Tag }, MISSING('Tag.2.Key'));
    }
    for (const Key of ['aliyun-x', 'acs:x', 'a http://b', 'https://c']) {
      await client.refused('TagResources', { ...TYPE, ResourceId, Tag: [{ Key, Value: 'v' }] }, INVALID);
    }
    await client.refused('TagResources', { ...TYPE, ResourceId, Tag: [{ Key: 'x'.repeat(129) }] }, TOO_LONG);
    await client.ok('TagResources', { ...TYPE, ResourceId, Tag: [{ Key: 'x'.repeat(128) }] });
  }),
  tag('parameter', 'Tag.Value', 'may be empty or absent; replaces that of the same key', async (live) => {
    const client = await live.newClient();
    const id = await tagged(client);
    await client.ok('TagResources', { ...TYPE, ResourceId: [id], Tag: [{ Key: 'a', Value: '2' }, { Key: 'c' }] });
    assert.deepEqual(await tagsOf(client, id), [
      { Key: 'b', Value: '' },
      { Key: 'a', Value: '2' },
      { Key: 'c', Value: '' },
    ]);
    await client.refused(
      'TagResources',
      { ...TYPE, ResourceId: [id], Tag: [{ Key: 'k', Value: 'x'.repeat(129) }] },
      TOO_LONG,
    );
  }),
  tag('error', 'InvalidParameter', 'the same key twice', async (live) => {
    const client = await live.newClient();
    const Tag = [
      { Key: 'k', Value: '1' },
      { Key: 'k', Value: '2' },
    ];
    await client.refused('TagResources', { ...TYPE, ResourceId: [await client.create()], Tag }, INVALID);
  }),
  tag('error', 'InvalidParameter.NotFound', 'a cache of another account', async (live) => {
    const client = await live.newClient();
    const other = await (await live.newClient()).create();
    await client.refused('TagResources', { ...TYPE, ResourceId: [other], Tag: [{ Key: 'k' }] }, NOT_FOUND);
  }),
  tag('error', 'NumberExceed.Tags', 'more than 20 tags on a cache', async (live) => {
    const client = await live.newClient();
    const ResourceId = [await tagged(client)];
    const Tag = Array.from({ length: 19 }, (_, index) => ({ Key: `k${index}` }));
    await client.refused('TagResources', { ...TYPE, ResourceId, Tag }, TOO_MANY_TAGS);
    await client.ok('TagResources', { ...TYPE, ResourceId, Tag: Tag.slice(1) });
  }),
  tag('error', 'NumberExceed.Tags', 'more than 20 tags in a call', async (live) => {
    const client = await live.newClient();
    const ResourceId = [await client.create()];
    await client.refused('TagResources', { ...TYPE, ResourceId, Tag: TAGS }, TOO_MANY_TAGS);
    await client.ok('TagResources', { ...TYPE, ResourceId, Tag: TAGS.slice(1) });
    assert.deepEqual(await tagsOf(client, ResourceId[0] ?? ''), TAGS.slice(1));
  }),
  tag('error', 'DryRunOperation', 'changes nothing', async (live) => {
    const client = await live.newClient();
    const id = await client.create();
    const params = { ...TYPE, ResourceId: [id], Tag: [{ Key: 'k' }], DryRun: 'true' };
    await client.refused('TagResources', params, { status: 400, code: 'DryRunOperation' });
    assert.deepEqual(await tagsOf(client, id), []);
  }),
];

export const untagResources = [
  untag('parameter', 'RegionId', 'is mandatory', async (live) => {
    const client = await live.newClient();
    await client.refused(
      'UntagResources',
      { ...TYPE, ResourceId: ['x'], All: true, RegionId: '' },
      MISSING('RegionId'),
    );
  }),
  untag('parameter', 'ResourceType', 'is mandatory, and ImageCache', async (live) => {
    const client = await live.newClient();
    const params = { ResourceId: [await client.create()], All: true };
    await client.refused('UntagResources', params, MISSING('ResourceType'));
    await client.refused('UntagResources', { ...params, ResourceType: 'DataCache' }, INVALID);
  }),
  untag('parameter', 'ResourceId', 'is mandatory; all caches or none', async (live) => {
    const client = await live.newClient();
    const id = await tagged(client);
    await client.refused('UntagResources', { ...TYPE, All: true }, MISSING('ResourceId'));
    await client.refused('UntagResources', { ...TYPE, All: true, ResourceId: [id, 'imc-unknown'] }, NOT_FOUND);
    assert.equal((await client.cache(id)).Tags.length, 2);
  }),
  untag('parameter', 'TagKey', 'the tags with these keys go; a key that is not there is no error', async (live) => {
    const client = await live.newClient();
    const id = await tagged(client);
    const params = { ...TYPE, ResourceId: [id] };
    await client.refused('UntagResources', params, MISSING('TagKey'));
    await client.ok('UntagResources', { ...params, TagKey: ['a', 'none'] });
    assert.deepEqual(await tagsOf(client, id), [{ Key: 'b', Value: '' }]);
    await client.refused('UntagResources', { ...params, TagKey: ['x'.repeat(129)] }, TOO_LONG);
  }),
  untag('parameter', 'All', 'takes all tags, and counts only without TagKey', async (live) => {
    const client = await live.newClient();
    const id = await tagged(client);
    await client.ok('UntagResources', { ...TYPE, ResourceId: [id], TagKey: ['a'], All: true });
    assert.deepEqual(await tagsOf(client, id), [{ Key: 'b', Value: '' }]);
    await client.ok('UntagResources', { ...TYPE, ResourceId: [id], All: true });
    assert.deepEqual(await tagsOf(client, id), []);
    const bad = { ...TYPE, ResourceId: [id], All: 'yes' };
    await client.refused('UntagResources', bad, { status: 400, code: 'InvalidAll' });
  }),
  untag('parameter', 'ClientToken', 'the same call again succeeds again, and does nothing', async (live) => {
    const client = await live.newClient();
    const id = await tagged(client);
    const params = { ...TYPE, ResourceId: [id], All: true, ClientToken: 't' };
    await client.ok('UntagResources', params);
    await client.ok('TagResources', { ...TYPE, ResourceId: [id], Tag: [{ Key: 'later' }] });
    await client.ok('UntagResources', params);
    assert.deepEqual(await tagsOf(client, id), [{ Key: 'later', Value: '' }]);
  }),
  untag('error', 'NumberExceed.Tags', 'more than 20 keys in a call', async (live) => {
    const client = await live.newClient();
    const params = { ...TYPE, ResourceId: [await tagged(client, TAGS.slice(1))] };
    await client.refused('UntagResources', { ...params, TagKey: KEYS }, TOO_MANY_TAGS);
    await client.ok('UntagResources', { ...params, TagKey: KEYS.slice(1) });
    assert.deepEqual(await tagsOf(client, params.ResourceId[0] ?? ''), []);
  }),
  untag('error', 'InvalidParameter', 'another kind of resource', async (live) => {
    const client = await live.newClient();
    const message = 'The specified parameter ResourceType is invalid, this service has image caches only.';
    const params = { ResourceType: 'VirtualNode', ResourceId: ['x'], All: true };
    await client.refused('UntagResources', params, { ...INVALID, message });
  }),
  untag('error', 'InvalidParameter.NotFound', 'a cache that is not there', async (live) => {
    const client = await live.newClient();
    await client.refused('UntagResources', { ...TYPE, ResourceId: ['imc-unknown'], All: true }, NOT_FOUND);
  }),
  untag('error', 'IdempotentParameterMismatch', 'the token of another call', async (live) => {
    const client = await live.newClient();
    const params = { ...TYPE, ResourceId: [await tagged(client)], TagKey: ['a'], ClientToken: 't' };
    await client.ok('UntagResources', params);
    const expected = { status: 400, code: 'IdempotentParameterMismatch' };
    await client.refused('UntagResources', { ...params, TagKey: ['b'] }, expected);
  }),
  untag(
    'parameter',
    'ClientToken',
    'of calls at once one is made; the others get its result, or wait',
    async (live) => {
      const client = await live.newClient();
      const params = { ...TYPE, ResourceId: [await tagged(client)], All: true, ClientToken: 'running' };
      const answers = await Promise.all([1, 2, 3].map(() => client.call('UntagResources', params)));
      const outcomes = answers.map((answer) => (answer.status === 200 ? 'done' : answer.json.Code));
      assert.ok(
        outcomes.every((code) => code === 'done' || code === 'LastTokenProcessing'),
        outcomes.join(),
      );
    },
  ),
];

export const listTagResources = [
  list('parameter', 'RegionId', 'is mandatory, and its caches alone are listed', async (live) => {
    const client = await live.newClient();
    await tagged(client);
    await client.refused('ListTagResources', { ...TYPE, RegionId: '' }, MISSING('RegionId'));
    assert.deepEqual((await client.ok('ListTagResources', { ...TYPE, RegionId: 'elsewhere' })).TagResources, []);
  }),
  list('parameter', 'ResourceType', 'is mandatory, and ImageCache', async (live) => {
    const client = await live.newClient();
    await client.refused('ListTagResources', {}, MISSING('ResourceType'));
    await client.refused('ListTagResources', { ResourceType: 'DataCache' }, INVALID);
  }),
  list('parameter', 'ResourceId', 'only these caches; one that is not there has no tags', async (live) => {
    const client = await live.newClient();
    const id = await tagged(client);
    await tagged(client);
    const { TagResources } = await client.ok('ListTagResources', { ...TYPE, ResourceId: [id, 'imc-unknown'] });
    assert.deepEqual(
      TagResources.map((found: { ResourceId: string }) => found.ResourceId),
      [id, id],
    );
  }),
  list('parameter', 'Tag.Key', 'only caches with all of these tags, with any value; all their tags', async (live) => {
    const client = await live.newClient();
    const id = await tagged(client);
    await tagged(client, [{ Key: 'a', Value: '1' }]);
    const { TagResources } = await client.ok('ListTagResources', { ...TYPE, Tag: [{ Key: 'a' }, { Key: 'b' }] });
    assert.deepEqual(
      TagResources.map((found: { ResourceId: string }) => found.ResourceId),
      [id, id],
    );
  }),
  list('parameter', 'Tag.Value', 'only caches with the tag and this value, empty included', async (live) => {
    const client = await live.newClient();
    await tagged(client);
    const count = async (Tag: { Key: string; Value: string }[]) =>
      (await client.ok('ListTagResources', { ...TYPE, Tag })).TagResources.length;
    assert.equal(await count([{ Key: 'a', Value: '1' }]), 2);
    assert.equal(await count([{ Key: 'a', Value: '' }]), 0);
    assert.equal(await count([{ Key: 'b', Value: '' }]), 2);
  }),
  list('parameter', 'Limit', '1 to 100 tags of a page, 20 unless given', async (live) => {
    const client = await live.newClient();
    const tags = Array.from({ length: 20 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
    await tagged(client, tags);
    await tagged(client);
    const count = async (params: object) =>
      (await client.ok('ListTagResources', { ...TYPE, ...params })).TagResources.length;
    assert.deepEqual([await count({}), await count({ Limit: '1' }), await count({ Limit: '100' })], [20, 1, 22]);
    for (const Limit of ['0', '101']) {
      await client.refused(
        'ListTagResources',
        { ...TYPE, Limit },
        { status: 400, code: 'InvalidParameter.ValueExceeded' },
      );
    }
    await client.refused('ListTagResources', { ...TYPE, Limit: 'many' }, { status: 400, code: 'InvalidLimit' });
  }),
  list('parameter', 'NextToken', 'goes on where the page before ended', async (live) => {
    const client = await live.newClient();
    await tagged(client);
    await tagged(client);
    const seen: string[] = [];
    let NextToken = '';
    do {
      const page = await client.ok('ListTagResources', { ...TYPE, Limit: '3', NextToken });
      for (const { ResourceId, TagKey } of page.TagResources) seen.push(`${ResourceId} ${TagKey}`);
      NextToken = page.NextToken;
    } while (NextToken !== '');
    assert.equal(new Set(seen).size, 4);
    assert.equal(seen.length, 4);
    await client.refused('ListTagResources', { ...TYPE, NextToken: 'junk' }, INVALID);
  }),
  list('field', 'NextToken', 'empty at the end', async (live) => {
    const client = await live.newClient();
    assert.equal((await client.ok('ListTagResources', TYPE)).NextToken, '');
  }),
  ...(
    [
      ['ResourceType', 'ImageCache'],
      ['ResourceId', undefined],
      ['TagKey', 'a'],
      ['TagValue', '1'],
    ] as const
  ).map(([name, value]) =>
    list(
      'field',
      `TagResources.${name}`,
      value === undefined ? 'the id of the cache' : `such as ${value}`,
      async (live) => {
        const client = await live.newClient();
        const id = await tagged(client);
        assert.equal((await client.ok('ListTagResources', TYPE)).TagResources[0][name], value ?? id);
      },
    ),
  ),
  list('error', 'NumberExceed.Tags', 'more than 20 tags in a filter', async (live) => {
    const client = await live.newClient();
    await tagged(client, TAGS.slice(1));
    await client.refused('ListTagResources', { ...TYPE, Tag: TAGS }, TOO_MANY_TAGS);
    assert.equal((await client.ok('ListTagResources', { ...TYPE, Tag: TAGS.slice(1) })).TagResources.length, 20);
  }),
  list('error', 'InvalidParameter', 'a token that is not from an earlier answer', async (live) => {
    const client = await live.newClient();
    const message = 'The specified parameter NextToken is invalid, it is not from an earlier answer.';
    await client.refused('ListTagResources', { ...TYPE, NextToken: 'junk' }, { ...INVALID, message });
  }),
  list('format', 'XML', 'one TagResources element a tag', async (live) => {
    const client = await live.newClient();
    await tagged(client);
    const { xml } = await client.call('ListTagResources', TYPE, { format: 'XML' });
    assert.deepEqual(
      all(xml, 'TagResources').map((element) => [one(element, 'TagKey'), one(element, 'TagValue')]),
      [
        ['a', '1'],
        ['b', ''],
      ],
    );
  }),
];
