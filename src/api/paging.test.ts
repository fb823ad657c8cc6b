import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCOUNT_ID, type OpenApi, openApi, REGION_ID } from '../../test/support/open-api.ts';
import { slowMatch } from '../../test/support/slow-match.ts';

const NAMES = ['a', 'b'] as const;
const IMAGES = ['nginx:1', 'nginx:2', 'docker.io/library/nginx', 'r/redis:7'] as const;
const GROUPS = ['rg-1', 'rg-2'] as const;
const KEYS = ['k', 'l:中'] as const;
const VALUES = ['', 'v'] as const;
const PLAIN = { noNullPrototype: true } as const;
const RUNS = 60;

type Tag = { Key: string; Value: string };
type Described = { name: string; images: string[]; group: string; tags: Tag[] };
type Made = Described & { id: string; snapshotId: string };
/** `id` and `snapshotId` are the place of a cache among those that are there, or beyond for one that is not. */
type Filter = {
  id?: number;
  snapshotId?: number;
  name?: string;
  group?: string;
  image?: string;
  tags?: { Key: string; Value?: string }[];
  match?: { images: string[]; full?: boolean; count?: number };
};

const caches = (maxLength: number, minLength = 0) =>
  fc.array(
    fc.record(
      {
        name: fc.constantFrom(...NAMES),
        images: fc.subarray([...IMAGES], { minLength: 1, maxLength: 2 }),
        group: fc.constantFrom(...GROUPS),
        tags: fc.uniqueArray(fc.record({ Key: fc.constantFrom(...KEYS), Value: fc.constantFrom(...VALUES) }, PLAIN), {
          maxLength: 2,
          selector: ({ Key }) => Key,
        }),
      },
      PLAIN,
    ),
    { minLength, maxLength },
  );
const tagFilter = fc.array(
  fc.record(
    { Key: fc.constantFrom(...KEYS, 'none'), Value: fc.constantFrom(...VALUES) },
    { ...PLAIN, requiredKeys: ['Key'] },
  ),
  { minLength: 1, maxLength: 2 },
);
const match = fc.record(
  {
    images: fc.subarray([...IMAGES, 'nginx', 'unknown:1', 'NO REFERENCE'], { minLength: 1, maxLength: 3 }),
    full: fc.boolean(),
    count: fc.integer({ min: 1, max: 2 }),
  },
  { ...PLAIN, requiredKeys: ['images'] },
);
/** One field of the filter, or two of them, or none: with more hardly a cache would be left. */
const filter: fc.Arbitrary<Filter> = fc
  .array(
    fc.oneof(
      fc.record({ id: fc.nat({ max: 9 }) }, PLAIN),
      fc.record({ snapshotId: fc.nat({ max: 9 }) }, PLAIN),
      fc.record({ name: fc.constantFrom(...NAMES, 'none') }, PLAIN),
      fc.record({ group: fc.constantFrom(...GROUPS, 'none') }, PLAIN),
      fc.record({ image: fc.constantFrom(...IMAGES, 'nginx', 'library/nginx', 'redis:7', 'edis') }, PLAIN),
      fc.record({ tags: tagFilter }, PLAIN),
      fc.record({ match }, PLAIN),
    ),
    { maxLength: 2 },
  )
  .map((parts) => Object.assign({}, ...parts));
const steps = fc.array(fc.record({ created: caches(2), deleted: fc.nat({ max: 5 }) }, PLAIN), { maxLength: 4 });
const limits = fc.integer({ min: 1, max: 3 });

/** The filter as the API takes it. */
function paramsOf({ id, snapshotId, name, group, image, tags, match: wanted }: Filter, present: readonly Made[]) {
  return {
    ImageCacheId: id === undefined ? undefined : (present[id]?.id ?? 'imc-none'),
    SnapshotId: snapshotId === undefined ? undefined : (present[snapshotId]?.snapshotId ?? 's-none'),
    ImageCacheName: name,
    ResourceGroupId: group,
    Image: image,
    Tag: tags,
    MatchImage: wanted?.images,
    ImageFullMatch: wanted?.full,
    ImageMatchCountRequest: wanted?.count,
  };
}

/** What the documents say of each field, over one cache. */
function passes(made: Made, wanted: ReturnType<typeof paramsOf>): boolean {
  const { ImageCacheId = made.id, SnapshotId = made.snapshotId, ImageCacheName = made.name } = wanted;
  const { ResourceGroupId = made.group, Image, Tag = [], MatchImage } = wanted;
  const isNamed = (image: string) =>
    [image, image.replace(/:[^/]*$/, '')].some((whole) => whole === Image || whole.endsWith(`/${Image}`));
  return (
    ImageCacheId === made.id &&
    SnapshotId === made.snapshotId &&
    ImageCacheName === made.name &&
    ResourceGroupId === made.group &&
    (Image === undefined || made.images.some(isNamed)) &&
    isTagged(made, Tag) &&
    (MatchImage === undefined || isMatch(made, wanted))
  );
}

function isTagged({ tags }: Made, wanted: readonly { Key: string; Value?: string }[]): boolean {
  return wanted.every(({ Key, Value }) =>
    tags.some((tag) => tag.Key === Key && (Value === undefined || tag.Value === Value)),
  );
}

function isMatch({ id, images }: Made, wanted: ReturnType<typeof paramsOf>): boolean {
  const query = {
    images: wanted.MatchImage ?? [],
    fullMatch: wanted.ImageFullMatch ?? false,
    limit: 1,
    ...(wanted.ImageMatchCountRequest === undefined ? {} : { matchCount: wanted.ImageMatchCountRequest }),
  };
  return slowMatch([{ id, images, sizeGib: 20, createdAtMs: 0 }], query, 1).total === 1;
}

/** All pages of an operation; before each but the first, a step of creating and deleting is made. */
async function* pages(world: World, call: { action: string; params: object; limit: number }, todo: Step[]) {
  const { api, all, present, deleted } = world;
  for (let NextToken = ''; ; ) {
    const page = await api.call(call.action, { ...call.params, Limit: call.limit, NextToken });
    yield page;
    NextToken = page.NextToken;
    if (NextToken === '') return;
    const step = todo.shift();
    const made = await create(api, step?.created ?? []);
    present.push(...made);
    all.push(...made);
    const [gone] = step === undefined ? [] : present.splice(step.deleted, 1);
    if (!gone) continue;
    deleted.add(gone.id);
    await api.call('DeleteImageCache', { ImageCacheId: gone.id });
  }
}

type Step = { created: Described[]; deleted: number };
type World = { api: OpenApi; all: Made[]; present: Made[]; deleted: Set<string> };

async function newWorld(api: OpenApi, first: readonly Described[]): Promise<World> {
  const scope = { accountId: ACCOUNT_ID, regionId: REGION_ID };
  for (const id of await api.store.caches.ids(scope)) await api.store.caches.delete({ ...scope, id });
  const present = await create(api, first);
  return { api, all: [...present], present, deleted: new Set() };
}

async function create(api: OpenApi, described: readonly Described[]): Promise<Made[]> {
  const made: Made[] = [];
  for (const one of described) {
    const params = { ImageCacheName: one.name, Image: one.images, ResourceGroupId: one.group, Tag: one.tags };
    const id = await api.create(params);
    made.push({ ...one, id, snapshotId: (await api.cache(id)).SnapshotId });
  }
  return made;
}

test('the pages of any filter hold each cache once, and no others, while some are created and deleted', async (t) => {
  const api = await openApi(t);
  let found = 0;
  await fc.assert(
    fc.asyncProperty(filter, limits, caches(8, 1), steps, async (wanted, limit, first, todo) => {
      const world = await newWorld(api, first);
      const params = paramsOf(wanted, world.present);
      const original = world.present.filter((made) => passes(made, params));
      const seen: string[] = [];
      let total: number | undefined;
      for await (const page of pages(world, { action: 'DescribeImageCaches', params, limit }, [...todo])) {
        total ??= page.TotalCount;
        for (const { ImageCacheId } of page.ImageCaches) seen.push(ImageCacheId);
      }
      assert.equal(total, original.length);
      assert.equal(new Set(seen).size, seen.length, 'none twice');
      for (const { id } of original) assert.ok(world.deleted.has(id) || seen.includes(id), 'none left out');
      for (const id of seen) {
        const made = world.all.find((one) => one.id === id) ?? assert.fail(id);
        assert.ok(passes(made, params), `${JSON.stringify(made)} is none of ${JSON.stringify(params)}`);
      }
      if (seen.length > limit) found++;
    }),
    { numRuns: RUNS },
  );
  assert.ok(found > 0, 'some lists had several pages');
});

test('the pages of ListTagResources hold each tag of each cache once, while caches are created and deleted', async (t) => {
  const api = await openApi(t);
  const resources = fc.option(fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 1, maxLength: 4 }), { nil: undefined });
  const tags = fc.option(tagFilter, { nil: undefined });
  await fc.assert(
    fc.asyncProperty(resources, tags, limits, caches(8, 1), steps, async (places, Tag, limit, first, todo) => {
      const world = await newWorld(api, first);
      const ResourceId = places?.map((place) => world.present[place]?.id ?? `imc-${place}`);
      const isWanted = (made: Made) => isTagged(made, Tag ?? []) && ResourceId?.includes(made.id) !== false;
      const tagsOf = (made: Made) => made.tags.map(({ Key, Value }) => JSON.stringify([made.id, Key, Value]));
      const original = world.present.filter(isWanted);
      const seen: string[] = [];
      const params = { ResourceType: 'ImageCache', ResourceId, Tag };
      for await (const page of pages(world, { action: 'ListTagResources', params, limit }, [...todo])) {
        for (const one of page.TagResources) seen.push(JSON.stringify([one.ResourceId, one.TagKey, one.TagValue]));
      }
      assert.equal(new Set(seen).size, seen.length, 'none twice');
      for (const made of original) {
        for (const tag of tagsOf(made)) assert.ok(world.deleted.has(made.id) || seen.includes(tag), 'none left out');
      }
      const possible = new Set(world.all.filter(isWanted).flatMap(tagsOf));
      for (const tag of seen) assert.ok(possible.has(tag), `${tag} is none of ${JSON.stringify(params)}`);
    }),
    { numRuns: RUNS },
  );
});
