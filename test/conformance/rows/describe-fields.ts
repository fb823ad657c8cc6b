import assert from 'node:assert/strict';
import type { Answer, Client } from '../client.ts';
import { rowsOf } from '../row.ts';
import { all, one } from '../xml.ts';

const row = rowsOf('DescribeImageCaches');
const DAY_MS = 24 * 60 * 60_000;
const SECOND_MS = 1000;
const ID_END = '[a-z0-9]{20}';

type Event = { readonly [field: string]: string | number };

async function ready(client: Client, params: Parameters<Client['create']>[0] = {}): Promise<Answer['json']> {
  const cache = await client.cache(await client.create(params));
  assert.equal(cache.Status, 'Ready', JSON.stringify(cache));
  return cache;
}

/** A time of the wire, which has whole seconds, lies between. */
function assertWithin(text: string, startMs: number, endMs: number): void {
  const timeMs = Date.parse(text);
  assert.ok(timeMs > startMs - SECOND_MS && timeMs <= endMs, text);
}

const reasonsOf = (cache: { Events: readonly Event[] }) => cache.Events.map(({ Reason }) => Reason);

export const describeFields = [
  row('field', 'ImageCaches', 'newest first; an empty list when there is none', async (live) => {
    const client = await live.newClient();
    assert.deepEqual((await client.ok('DescribeImageCaches')).ImageCaches, []);
    const created = [await client.create(), await client.create(), await client.create()];
    const { ImageCaches } = await client.ok('DescribeImageCaches');
    const shown = ImageCaches.map(({ ImageCacheId }: { ImageCacheId: string }) => ImageCacheId);
    assert.deepEqual(shown, created.toReversed());
  }),
  row('field', 'NextToken', 'an empty text at the end of a list', async (live) => {
    const client = await live.newClient();
    assert.equal((await client.ok('DescribeImageCaches')).NextToken, '');
    await client.create();
    await client.create();
    assert.equal((await client.ok('DescribeImageCaches', { Limit: 2 })).NextToken, '');
    const { NextToken } = await client.ok('DescribeImageCaches', { Limit: 1 });
    assert.match(NextToken, /^[\w-]+$/);
    assert.equal((await client.ok('DescribeImageCaches', { Limit: 1, NextToken })).NextToken, '');
  }),
  row('field', 'ImageCaches.ImageCacheId', 'the one that CreateImageCache answered', async (live) => {
    const client = await live.newClient();
    const id = await client.create();
    assert.match(id, new RegExp(`^imc-${ID_END}$`));
    assert.equal((await client.cache(id)).ImageCacheId, id);
  }),
  row('field', 'ImageCaches.ImageCacheName', 'as given, any characters', async (live) => {
    const client = await live.newClient();
    const ImageCacheName = `<&> "a' ü 中 ]]>`;
    const cache = await ready(client, { ImageCacheName });
    assert.equal(cache.ImageCacheName, ImageCacheName);
    const { xml } = await client.call('DescribeImageCaches', {}, { format: 'XML' });
    const [shown] = all(xml, 'ImageCaches');
    assert.ok(shown);
    assert.equal(one(shown, 'ImageCacheName'), ImageCacheName);
  }),
  row('field', 'ImageCaches.Images', 'the references as given, in their order', async (live) => {
    const client = await live.newClient();
    const Image = [live.otherImage, live.image];
    assert.deepEqual((await ready(client, { Image })).Images, Image);
    // Without a version: latest, which the registry has not.
    const bare = live.image.replace(/:1$/, '');
    const failed = await client.create({ Image: [live.image, bare] });
    assert.deepEqual((await client.cache(failed)).Images, [live.image, bare]);
  }),
  row('field', 'ImageCaches.Status', 'Preparing or Creating at first, Ready once it can be used', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheName: 'new', Image: [live.image] };
    const { ImageCacheId } = await client.ok('CreateImageCache', params);
    const first = await client.cache(ImageCacheId);
    assert.ok(['Preparing', 'Creating', 'Ready'].includes(first.Status), first.Status);
    assert.equal((await client.settled(ImageCacheId)).Status, 'Ready');
  }),
  row('field', 'ImageCaches.Status', 'Failed when an image can’t be had', async (live) => {
    const client = await live.newClient();
    const cache = await client.cache(await client.create({ Image: [live.image, live.missingImage] }));
    assert.equal(cache.Status, 'Failed');
    assert.notEqual(cache.Progress, '100%');
  }),
  row('field', 'ImageCaches.Progress', 'whole percents, 100% when Ready and only then', async (live) => {
    const client = await live.newClient();
    const { ImageCacheId } = await client.ok('CreateImageCache', { ImageCacheName: 'p', Image: [live.image] });
    for (;;) {
      const { Progress, Status } = await client.cache(ImageCacheId);
      assert.match(Progress, /^(0|[1-9]\d?|100)%$/);
      assert.equal(Progress === '100%', Status === 'Ready', `${Progress} ${Status}`);
      if (Status === 'Ready') return;
    }
  }),
  row('field', 'ImageCaches.CreationTime', 'when CreateImageCache was called', async (live) => {
    const client = await live.newClient();
    const startMs = Date.now();
    const { ImageCacheId } = await client.ok('CreateImageCache', { ImageCacheName: 't', Image: [live.image] });
    const endMs = Date.now();
    assertWithin((await client.cache(ImageCacheId)).CreationTime, startMs, endMs);
  }),
  row('field', 'ImageCaches.ExpireDateTime', 'RetentionDays after the creation; absent without', async (live) => {
    const client = await live.newClient();
    const cache = await ready(client, { RetentionDays: 7 });
    assert.equal(Date.parse(cache.ExpireDateTime) - Date.parse(cache.CreationTime), 7 * DAY_MS);
    assert.equal('ExpireDateTime' in (await ready(client)), false);
  }),
  row('field', 'ImageCaches.ExpireDateTime', 'a day after it failed', async (live) => {
    const client = await live.newClient();
    const startMs = Date.now();
    const id = await client.create({ Image: [live.missingImage], RetentionDays: 30 });
    const { ExpireDateTime } = await client.cache(id);
    assertWithin(ExpireDateTime, startMs + DAY_MS, Date.now() + DAY_MS);
  }),
  row('field', 'ImageCaches.ContainerGroupId', 'the one that CreateImageCache answered', async (live) => {
    const client = await live.newClient();
    const created = await client.ok('CreateImageCache', { ImageCacheName: 'c', Image: [live.image] });
    assert.match(created.ContainerGroupId, new RegExp(`^eci-${ID_END}$`));
    const cache = await client.settled(created.ImageCacheId);
    assert.equal(cache.ContainerGroupId, created.ContainerGroupId);
  }),
  row('field', 'ImageCaches.SnapshotId', 'of a Ready cache; absent of one that failed', async (live) => {
    const client = await live.newClient();
    assert.match((await ready(client)).SnapshotId, new RegExp(`^s-${ID_END}$`));
    const failed = await client.cache(await client.create({ Image: [live.missingImage] }));
    assert.equal('SnapshotId' in failed, false);
  }),
  row('field', 'ImageCaches.FlashSnapshotId', 'absent also when Flash was asked for', async (live) => {
    const client = await live.newClient();
    assert.equal('FlashSnapshotId' in (await ready(client, { Flash: true })), false);
  }),
  row('field', 'ImageCaches.RegionId', 'the region of the call that created it', async (live) => {
    const client = await live.newClient();
    assert.equal((await ready(client)).RegionId, client.regionId);
    const RegionId = 'ap-southeast-1';
    await client.ok('CreateImageCache', { RegionId, ImageCacheName: 'far', Image: [live.image] });
    assert.equal((await client.ok('DescribeImageCaches', { RegionId })).ImageCaches[0].RegionId, RegionId);
  }),
  row('field', 'ImageCaches.ResourceGroupId', 'as given; rg-default without', async (live) => {
    const client = await live.newClient();
    assert.equal((await ready(client, { ResourceGroupId: 'rg-2df3isufhi38' })).ResourceGroupId, 'rg-2df3isufhi38');
    assert.equal((await ready(client)).ResourceGroupId, 'rg-default');
  }),
  row('field', 'ImageCaches.ImageCacheSize', 'GiB, as given, at least 20', async (live) => {
    const client = await live.newClient();
    for (const [asked, shown] of [
      [25, 25],
      [10, 20],
      [undefined, 20],
    ]) {
      assert.equal((await ready(client, { ImageCacheSize: asked })).ImageCacheSize, shown);
    }
  }),
  row('field', 'ImageCaches.EliminationStrategy', 'LRU, or absent', async (live) => {
    const client = await live.newClient();
    assert.equal((await ready(client, { EliminationStrategy: 'LRU' })).EliminationStrategy, 'LRU');
    assert.equal('EliminationStrategy' in (await ready(client)), false);
  }),
  row('field', 'ImageCaches.Tags', 'an empty list when there is none', async (live) => {
    const client = await live.newClient();
    assert.deepEqual((await ready(client)).Tags, []);
  }),
  ...['Key', 'Value'].map((name) =>
    row('field', `ImageCaches.Tags.${name}`, 'as given; a value may be empty', async (live) => {
      const client = await live.newClient();
      const Tag = [
        { Key: 'imc', Value: 'test' },
        { Key: '键', Value: '' },
      ];
      const tags: Event[] = (await ready(client, { Tag })).Tags;
      assert.deepEqual(new Set(tags.map((tag) => tag[name])), new Set(name === 'Key' ? ['imc', '键'] : ['test', '']));
      assert.deepEqual(
        tags.find(({ Key }) => Key === 'imc'),
        Tag[0],
      );
    }),
  ),
  row('field', 'ImageCaches.Events', 'oldest first: what the build went through', async (live) => {
    const client = await live.newClient();
    assert.deepEqual(reasonsOf(await ready(client, { Image: [live.image, live.otherImage] })), [
      'Started',
      'Pulling',
      'Pulled',
      'Pulled',
      'SnapshotCreating',
      'SnapshotCreated',
      'Ready',
    ]);
  }),
  row('field', 'ImageCaches.Events', 'are there from the first answer on, and grow while it is built', async (live) => {
    const client = await live.newClient();
    const { ImageCacheId } = await client.ok('CreateImageCache', { ImageCacheName: 'e', Image: [live.image] });
    const seen: string[][] = [];
    for (;;) {
      const cache = await client.cache(ImageCacheId);
      seen.push(cache.Events.map(({ Name }: Event) => Name));
      if (cache.Status === 'Ready') break;
    }
    const last = seen.at(-1) ?? [];
    for (const names of seen) assert.deepEqual(names, last.slice(0, names.length));
    assert.equal(new Set(last).size, last.length);
  }),
  row('field', 'ImageCaches.Events.Type', 'Normal; Warning for what failed', async (live) => {
    const client = await live.newClient();
    const { Events } = await ready(client);
    assert.deepEqual(new Set(Events.map(({ Type }: Event) => Type)), new Set(['Normal']));
    const failed = await client.cache(await client.create({ Image: [live.missingImage] }));
    const warnings = failed.Events.filter(({ Type }: Event) => Type === 'Warning');
    assert.deepEqual(reasonsOf({ Events: warnings }).slice(-2), ['FailedPull', 'Failed']);
  }),
  row('field', 'ImageCaches.Events.Reason', 'one word', async (live) => {
    const client = await live.newClient();
    for (const reason of reasonsOf(await ready(client))) assert.match(String(reason), /^[A-Z][A-Za-z]+$/);
  }),
  row(
    'field',
    'ImageCaches.Events.Message',
    'the vendor’s texts, and the image that was pulled or failed',
    async (live) => {
      const client = await live.newClient();
      const messageOf = ({ Events }: { Events: Event[] }, reason: string) =>
        String(Events.find(({ Reason }) => Reason === reason)?.Message);
      const cache = await ready(client);
      assert.equal(messageOf(cache, 'Started'), 'Successfully check image cache resource.');
      assert.equal(messageOf(cache, 'Pulling'), 'start to pull images');
      assert.ok(messageOf(cache, 'Pulled').startsWith(`Successfully pulled image ${live.image}`));
      const failed = await client.cache(await client.create({ Image: [live.missingImage] }));
      assert.ok(messageOf(failed, 'FailedPull').includes(live.missingImage));
    },
  ),
  row(
    'field',
    'ImageCaches.Events.Name',
    'the cache’s name and the time of the event in nanoseconds, as hex',
    async (live) => {
      const client = await live.newClient();
      const { Events } = await ready(client, { ImageCacheName: 'imagetest' });
      for (const { Name, FirstTimestamp } of Events) {
        const [, hex = ''] = /^imagetest\.([0-9a-f]{16})$/.exec(Name) ?? [];
        const timeMs = Number(BigInt(`0x${hex}`) / 1_000_000n);
        assert.equal(`${new Date(timeMs).toISOString().slice(0, 19)}Z`, FirstTimestamp);
      }
    },
  ),
  row('field', 'ImageCaches.Events.Count', 'a number, 1 for what happened once', async (live) => {
    const client = await live.newClient();
    const { Events } = await ready(client);
    assert.deepEqual(new Set(Events.map(({ Count }: Event) => Count)), new Set([1]));
  }),
  ...['FirstTimestamp', 'LastTimestamp'].map((name) =>
    row('field', `ImageCaches.Events.${name}`, 'between the creation and now, in order', async (live) => {
      const client = await live.newClient();
      const startMs = Date.now();
      const { Events } = await ready(client);
      const times: string[] = Events.map((event: Event) => event[name]);
      for (const time of times) assertWithin(time, startMs, Date.now());
      assert.deepEqual(times, times.toSorted());
    }),
  ),
  row('format', 'XML', 'an empty list: no element at all; NextToken and TotalCount are there', async (live) => {
    const client = await live.newClient();
    const { xml } = await client.call('DescribeImageCaches', {}, { format: 'XML' });
    assert.deepEqual(
      xml.children.map(({ name }) => name),
      ['RequestId', 'NextToken', 'TotalCount'],
    );
    assert.deepEqual([one(xml, 'NextToken'), one(xml, 'TotalCount')], ['', '0']);
  }),
  row(
    'format',
    'XML',
    'two caches: two ImageCaches elements, each with its own Images, Tags and Events',
    async (live) => {
      const client = await live.newClient();
      const Tag = [
        { Key: 'a', Value: '1' },
        { Key: 'b', Value: '2' },
      ];
      await client.create({ Image: [live.image, live.otherImage], Tag });
      await client.create();
      const { xml } = await client.call('DescribeImageCaches', {}, { format: 'XML' });
      const [newer, older, ...more] = all(xml, 'ImageCaches');
      assert.ok(newer && older && more.length === 0);
      assert.deepEqual(
        all(older, 'Images').map(({ text }) => text),
        [live.image, live.otherImage],
      );
      const pairs = all(older, 'Tags').map((tag) => ({ Key: one(tag, 'Key'), Value: one(tag, 'Value') }));
      assert.deepEqual(pairs, Tag);
      assert.deepEqual([all(newer, 'Images').length, all(newer, 'Tags').length], [1, 0]);
      assert.equal(all(newer, 'Events').length, 6);
    },
  ),
];
