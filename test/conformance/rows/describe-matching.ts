import assert from 'node:assert/strict';
import type { Client, Params } from '../client.ts';
import type { Live } from '../live.ts';
import { rowsOf } from '../row.ts';

const row = rowsOf('DescribeImageCaches');
const MAX_MATCH_IMAGES = 100;
const NEVER_BUILT = 'registry.example.com/none:1';

async function idsOf(client: Client, params: Params): Promise<string[]> {
  const { ImageCaches } = await client.ok('DescribeImageCaches', params);
  return ImageCaches.map(({ ImageCacheId }: { ImageCacheId: string }) => ImageCacheId);
}

type ThreeCaches = Awaited<ReturnType<typeof makeThreeCaches>>;
const made = new WeakMap<Live, Promise<ThreeCaches>>();

/** Those of {@link makeThreeCaches}, made once for all rows that only read them. */
function threeCaches(live: Live): Promise<ThreeCaches> {
  const known = made.get(live) ?? makeThreeCaches(live);
  made.set(live, known);
  return known;
}

/** Three Ready caches: with the image in version 1, in version 2, and in both; newest last. */
async function makeThreeCaches(live: Live) {
  const client = await live.newClient();
  const [v1, v2] = [live.image, live.otherImage];
  const one = await client.create({ Image: [v1] });
  const two = await client.create({ Image: [v2] });
  const both = await client.create({ Image: [v1, v2], Tag: [{ Key: 'env', Value: 'prod' }] });
  return { client, v1, v2, one, two, both };
}

export const describeMatching = [
  row(
    'parameter',
    'MatchImage',
    'the most full matches first, then the most in another version; others are left out',
    async (live) => {
      const { client, v1, v2, one, two, both } = await threeCaches(live);
      assert.deepEqual(await idsOf(client, { MatchImage: [v1, v2] }), [both, two, one]);
      assert.deepEqual(await idsOf(client, { MatchImage: [v1] }), [both, one, two]);
      const v3 = v1.replace(/1$/, '3');
      // One of them in full counts for more than two in another version.
      assert.deepEqual(await idsOf(client, { MatchImage: [v2, v3] }), [both, two, one]);
      assert.deepEqual(await idsOf(client, { MatchImage: [v3] }), [both, two, one]);
      assert.deepEqual(await idsOf(client, { MatchImage: [NEVER_BUILT, v2] }), [both, two, one]);
      assert.deepEqual(await idsOf(client, { MatchImage: [NEVER_BUILT] }), []);
    },
  ),
  row('parameter', 'MatchImage', 'of equal matches the smallest cache first, then the newest', async (live) => {
    const client = await live.newClient();
    const create = (ImageCacheSize: number) => client.create({ ImageCacheSize });
    const [small, big, newer] = [await create(20), await create(30), await create(20)];
    assert.deepEqual(await idsOf(client, { MatchImage: [live.image] }), [newer, small, big]);
  }),
  row(
    'parameter',
    'MatchImage',
    'an image counts once, however often it is given; without a version it is latest',
    async (live) => {
      const { client, v1, one, both } = await threeCaches(live);
      const twice = { MatchImage: [v1, v1], ImageMatchCountRequest: 2 };
      assert.deepEqual(await idsOf(client, twice), []);
      // Without a version it is `latest`, which no cache has.
      const bare = v1.replace(/:1$/, '');
      assert.deepEqual(await idsOf(client, { MatchImage: [bare], ImageMatchCountRequest: 1 }), []);
      assert.equal((await idsOf(client, { MatchImage: [bare] })).length, 3);
      assert.deepEqual(await idsOf(client, { MatchImage: [v1, 'not a reference'], ImageMatchCountRequest: 1 }), [
        both,
        one,
      ]);
      assert.deepEqual(await idsOf(client, { MatchImage: ['not a reference'] }), []);
    },
  ),
  row('parameter', 'MatchImage', 'only Ready caches of the account in the region', async (live) => {
    const [client, other] = [await live.newClient(), await live.newClient()];
    await other.create();
    const failed = await client.create({ Image: [live.image, live.missingImage] });
    assert.equal((await client.cache(failed)).Status, 'Failed');
    assert.deepEqual(await idsOf(client, { MatchImage: [live.image] }), []);
    const id = await client.create();
    assert.deepEqual(await idsOf(client, { MatchImage: [live.image] }), [id]);
    assert.deepEqual(await idsOf(client, { MatchImage: [live.image], RegionId: 'elsewhere' }), []);
    await client.ok('DeleteImageCache', { ImageCacheId: id });
    assert.deepEqual(await idsOf(client, { MatchImage: [live.image] }), []);
  }),
  row('parameter', 'MatchImage', 'up to 100, of up to 512 characters; numbers may have gaps', async (live) => {
    const client = await live.newClient();
    const id = await client.create();
    const names = Array.from({ length: MAX_MATCH_IMAGES - 1 }, (_, index) => `registry.example.com/many:${index}`);
    assert.deepEqual(await idsOf(client, { MatchImage: [...names, live.image] }), [id]);
    assert.deepEqual(await idsOf(client, { 'MatchImage.3': live.image, 'MatchImage.100': 'a' }), [id]);
    const tooMany = 'The length of parameter MatchImage exceeded limit: 100.';
    const code = 'InvalidParameter.LengthExceeded';
    await client.refused(
      'DescribeImageCaches',
      { MatchImage: [...names, 'a', live.image] },
      { status: 400, code, message: tooMany },
    );
    const tooLong = 'The length of parameter MatchImage.2 exceeded limit: 512.';
    await client.refused(
      'DescribeImageCaches',
      { MatchImage: ['x'.repeat(512), 'x'.repeat(513)] },
      { status: 400, code, message: tooLong },
    );
    const message = 'Specified parameter MatchImage is not valid.';
    await client.refused(
      'DescribeImageCaches',
      { 'MatchImage.0': 'a' },
      { status: 400, code: 'InvalidMatchImage', message },
    );
  }),
  row('parameter', 'MatchImage', 'together with other filters: all must hold', async (live) => {
    const { client, v1, v2, one, two, both } = await threeCaches(live);
    assert.deepEqual(await idsOf(client, { MatchImage: [v1], ImageCacheId: one }), [one]);
    assert.deepEqual(await idsOf(client, { MatchImage: [v1, v2], Tag: [{ Key: 'env', Value: 'prod' }] }), [both]);
    assert.deepEqual(await idsOf(client, { MatchImage: [v1], Image: v2 }), [both, two]);
    assert.deepEqual(await idsOf(client, { MatchImage: [v1], ImageCacheName: 'nothing' }), []);
  }),
  row(
    'parameter',
    'MatchImage',
    'pages go on after the match before; a list’s NextToken does not fit',
    async (live) => {
      const { client, v1, v2, one, two, both } = await threeCaches(live);
      const pages: string[] = [];
      let token = '';
      do {
        const page = await client.ok('DescribeImageCaches', { MatchImage: [v1, v2], Limit: 1, NextToken: token });
        assert.equal(page.TotalCount, 3);
        pages.push(...page.ImageCaches.map(({ ImageCacheId }: { ImageCacheId: string }) => ImageCacheId));
        token = page.NextToken;
      } while (token !== '');
      assert.deepEqual(pages, [both, two, one]);
      const foreign = { status: 400, code: 'InvalidParameter', message: /NextToken/ };
      const list = await client.ok('DescribeImageCaches', { Limit: 1 });
      const match = await client.ok('DescribeImageCaches', { MatchImage: [v1], Limit: 1 });
      await client.refused('DescribeImageCaches', { MatchImage: [v1], NextToken: list.NextToken }, foreign);
      await client.refused('DescribeImageCaches', { NextToken: match.NextToken }, foreign);
    },
  ),
  row('parameter', 'ImageFullMatch', 'only caches that hold all of MatchImage in the same version', async (live) => {
    const { client, v1, v2, one, both } = await threeCaches(live);
    const full = (MatchImage: string[]) => idsOf(client, { MatchImage, ImageFullMatch: true });
    assert.deepEqual(await full([v1, v2]), [both]);
    assert.deepEqual(await full([v1]), [both, one]);
    assert.deepEqual(await full([v1, v2, NEVER_BUILT]), []);
    assert.equal((await idsOf(client, { MatchImage: [v1], ImageFullMatch: false })).length, 3);
    assert.equal((await idsOf(client, { ImageFullMatch: true })).length, 3, 'without MatchImage it says nothing');
  }),
  row('parameter', 'ImageFullMatch', 'true or false in any case; false when empty', async (live) => {
    const { client, v1, one, both } = await threeCaches(live);
    assert.deepEqual(await idsOf(client, { MatchImage: [v1], ImageFullMatch: 'TRUE' }), [both, one]);
    assert.equal((await idsOf(client, { MatchImage: [v1], ImageFullMatch: '' })).length, 3);
    const message = 'Specified parameter ImageFullMatch is not valid.';
    for (const ImageFullMatch of ['yes', '1', 'truee']) {
      const params = { MatchImage: [v1], ImageFullMatch };
      await client.refused('DescribeImageCaches', params, { status: 400, code: 'InvalidImageFullMatch', message });
    }
  }),
  row(
    'parameter',
    'ImageMatchCountRequest',
    'only caches that hold at least so many of MatchImage in the same version',
    async (live) => {
      const { client, v1, v2, one, two, both } = await threeCaches(live);
      const counted = (MatchImage: string[], ImageMatchCountRequest: number) =>
        idsOf(client, { MatchImage, ImageMatchCountRequest });
      assert.deepEqual(await counted([v1, v2], 1), [both, two, one]);
      assert.deepEqual(await counted([v1, v2, NEVER_BUILT], 2), [both]);
      assert.deepEqual(await counted([v1], 1), [both, one]);
      assert.deepEqual(await counted([v1, v2], 3), []);
      assert.deepEqual(await idsOf(client, { MatchImage: [v1, v2], ImageMatchCountRequest: 1, ImageFullMatch: true }), [
        both,
      ]);
    },
  ),
  row('parameter', 'ImageMatchCountRequest', '1 to 100', async (live) => {
    const client = await live.newClient();
    const base = { MatchImage: [live.image] };
    assert.deepEqual(await idsOf(client, { ...base, ImageMatchCountRequest: 100 }), []);
    for (const [ImageMatchCountRequest, limit] of [
      [0, 1],
      [101, 100],
    ] as const) {
      const message = `The value of parameter ImageMatchCountRequest exceeded limit: ${limit}.`;
      await client.refused(
        'DescribeImageCaches',
        { ...base, ImageMatchCountRequest },
        { status: 400, code: 'InvalidParameter.ValueExceeded', message },
      );
    }
    await client.refused(
      'DescribeImageCaches',
      { ...base, ImageMatchCountRequest: 'all' },
      { status: 400, code: 'InvalidImageMatchCountRequest' },
    );
  }),
  row(
    'field',
    'ImageCaches.LastMatchedTime',
    'when it was last the best match and held an image in the same version; absent before',
    async (live) => {
      const { client, v1, v2, one, both } = await makeThreeCaches(live);
      const matchedAt = async (id: string) => (await client.cache(id)).LastMatchedTime;
      await client.ok('DescribeImageCaches');
      await client.ok('DescribeImageCaches', { MatchImage: [v1.replace(/1$/, '3')] });
      const before = Date.now();
      await client.ok('DescribeImageCaches', { MatchImage: [v1, v2] });
      await client.until(async () => (await matchedAt(both)) !== undefined);
      const text = await matchedAt(both);
      // The wire has whole seconds.
      assert.ok(Date.parse(text) >= before - 1000 && Date.parse(text) <= Date.now(), text);
      assert.equal(await matchedAt(one), undefined, 'the second match does not count');
    },
  ),
  row('field', 'TotalCount', 'all that the filters let through, whatever the page', async (live) => {
    const { client, v1 } = await threeCaches(live);
    const total = async (params: Params) => (await client.ok('DescribeImageCaches', params)).TotalCount;
    assert.equal(await total({ Limit: 1 }), 3);
    assert.equal(await total({ Limit: 1, Tag: [{ Key: 'env' }] }), 1);
    assert.equal(await total({ MatchImage: [v1], Limit: 1 }), 3);
    assert.equal(await total({ MatchImage: [v1], ImageFullMatch: true }), 2);
    assert.equal(await total({ ImageCacheName: 'nothing' }), 0);
  }),
];
