import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCOUNT_ID, type OpenApi, openApi, REGION_ID } from '../../test/support/open-api.ts';

const NAMES = ['a', 'b'];
const IMAGES = ['nginx:1', 'nginx:2', 'r/redis:7'];

/** A filter as the API takes it, and whether a cache passes it. */
type Filter = { params: object; passes: (cache: Made) => boolean };
type Made = { id: string; name: string; image: string; tagged: boolean };

const FILTERS: readonly Filter[] = [
  { params: {}, passes: () => true },
  { params: { ImageCacheName: 'a' }, passes: ({ name }) => name === 'a' },
  { params: { Image: 'nginx' }, passes: ({ image }) => image.startsWith('nginx') },
  { params: { Tag: [{ Key: 'k' }] }, passes: ({ tagged }) => tagged },
  { params: { MatchImage: ['nginx:1', 'r/redis:7'] }, passes: () => true },
  { params: { MatchImage: ['nginx:1'], ImageFullMatch: true }, passes: ({ image }) => image === 'nginx:1' },
  {
    params: { MatchImage: ['redis:7', 'nginx:2'], Tag: [{ Key: 'k' }] },
    passes: (made) => made.tagged && made.image.startsWith('nginx'),
  },
];

const cacheArbitrary = fc.record({
  name: fc.constantFrom(...NAMES),
  image: fc.constantFrom(...IMAGES),
  tagged: fc.boolean(),
});

test('the pages of any filter hold each cache once, while others are created and deleted', async (t) => {
  const api = await openApi(t);
  const step = fc.record({ created: fc.array(cacheArbitrary, { maxLength: 2 }), deleted: fc.nat({ max: 5 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...FILTERS),
      fc.integer({ min: 1, max: 3 }),
      fc.array(cacheArbitrary, { minLength: 1, maxLength: 8 }),
      fc.array(step, { maxLength: 4 }),
      async (filter, limit, first, steps) => {
        await clear(api);
        const present = await create(api, first);
        const original = present.filter(filter.passes);
        const deleted = new Set<string>();
        const seen: string[] = [];
        let token: string | undefined;
        do {
          const page = await api.call('DescribeImageCaches', {
            ...filter.params,
            Limit: limit,
            ...(token ? { NextToken: token } : {}),
          });
          for (const { ImageCacheId } of page.ImageCaches) seen.push(ImageCacheId);
          token = page.NextToken || undefined;
          const { created, deleted: place } = steps.shift() ?? { created: [], deleted: present.length };
          present.push(...(await create(api, created)));
          const [gone] = present.splice(place, 1);
          if (!gone) continue;
          deleted.add(gone.id);
          await api.call('DeleteImageCache', { ImageCacheId: gone.id });
        } while (token !== undefined);
        assert.equal(new Set(seen).size, seen.length, 'none twice');
        for (const { id } of original) assert.ok(deleted.has(id) || seen.includes(id), 'none left out');
      },
    ),
    { numRuns: 60 },
  );
});

async function create(api: OpenApi, caches: readonly Omit<Made, 'id'>[]): Promise<Made[]> {
  const made: Made[] = [];
  for (const { name, image, tagged } of caches) {
    const Tag = tagged ? [{ Key: 'k', Value: 'v' }] : [];
    made.push({ id: await api.create({ ImageCacheName: name, Image: [image], Tag }), name, image, tagged });
  }
  return made;
}

async function clear({ store }: OpenApi): Promise<void> {
  const scope = { accountId: ACCOUNT_ID, regionId: REGION_ID };
  for (const id of await store.caches.ids(scope)) await store.caches.delete({ ...scope, id });
}
