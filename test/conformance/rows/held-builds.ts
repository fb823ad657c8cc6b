import assert from 'node:assert/strict';
import { startScriptedRegistry } from '../../support/scripted-registry.ts';
import type { Client, Params } from '../client.ts';
import { type Row, rowsOf } from '../row.ts';

const create = rowsOf('CreateImageCache');
const update = rowsOf('UpdateImageCache');
const remove = rowsOf('DeleteImageCache');

const EXCEEDED = { status: 403, code: 'QuotaExceeded', message: 'ImageCache quota exceeded.' };
const DRY_RUN = { status: 400, code: 'DryRunOperation' };
const LRU = { EliminationStrategy: 'LRU' } as const;

type HeldRegistry = AsyncDisposable & { readonly image: string };

/**
 * A registry that takes every request and answers none, so that what pulls from it goes on for as long as the row. Such builds
 * take places of the worker that other rows need: a row must not wait for another build meanwhile.
 */
async function startHeld(): Promise<HeldRegistry> {
  const registry = await startScriptedRegistry();
  registry.script('/v2/', () => ({ silent: true }));
  return { image: `${registry.host}/team/held:1`, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() };
}

/** The id of a cache whose build does not end. */
async function createHeld(client: Client, { image }: HeldRegistry, params: Params = {}): Promise<string> {
  const { ImageCacheId } = await client.ok('CreateImageCache', { ImageCacheName: 'held', Image: [image], ...params });
  return ImageCacheId;
}

async function ids(client: Client): Promise<string[]> {
  const { ImageCaches } = await client.ok('DescribeImageCaches');
  return ImageCaches.map(({ ImageCacheId }: { ImageCacheId: string }) => ImageCacheId);
}

function incorrectStatus(id: string, status: string) {
  const message = `The image cache ${id} is ${status}; it can be updated when it is Ready or UpdateFailed.`;
  return { status: 400, code: 'ImageCache.IncorrectStatus', message };
}

/** What holds while a build is under way, and who makes room for a new cache. */
export const heldBuilds: readonly Row[] = [
  update('parameter', 'Image', 'while they are pulled, the cache is Updating with its old content', async (live) => {
    await using held = await startHeld();
    const client = await live.newClient();
    const ImageCacheId = await client.create();
    const before = await client.cache(ImageCacheId);
    await client.ok('UpdateImageCache', { ImageCacheId, ImageCacheName: 'new', Image: [held.image] });
    const { ContainerGroupId, Events: _events, ...during } = await client.cache(ImageCacheId);
    const { ContainerGroupId: built, Events: _before, ...old } = before;
    assert.deepEqual(during, { ...old, ImageCacheName: 'new', Status: 'Updating', Progress: '0%' });
    assert.notEqual(ContainerGroupId, built);
    const snapshot = { SnapshotId: before.SnapshotId };
    assert.equal((await client.ok('DescribeImageCaches', snapshot)).ImageCaches[0].ImageCacheId, ImageCacheId);
    const matched = await client.ok('DescribeImageCaches', { MatchImage: [live.image] });
    assert.deepEqual(matched.ImageCaches, [], 'only Ready caches are matched');
    await client.ok('DeleteImageCache', { ImageCacheId });
  }),
  update(
    'error',
    'ImageCache.IncorrectStatus',
    'while the first build or another update is under way',
    async (live) => {
      await using held = await startHeld();
      const client = await live.newClient();
      const ready = await client.create();
      const fresh = await createHeld(client, held);
      await client.ok('UpdateImageCache', { ImageCacheId: ready, Image: [held.image] });
      for (const [ImageCacheId, status] of [
        [fresh, 'Preparing'],
        [ready, 'Updating'],
      ] as const) {
        for (const change of [{ ImageCacheName: 'other' }, { Image: [live.image] }, {}]) {
          await client.refused('UpdateImageCache', { ImageCacheId, ...change }, incorrectStatus(ImageCacheId, status));
        }
        await client.ok('DeleteImageCache', { ImageCacheId });
      }
    },
  ),
  remove(
    'parameter',
    'ImageCacheId',
    'while it is built and while it is updated: the cache is gone at once',
    async (live) => {
      await using held = await startHeld();
      const client = await live.newClient();
      const ready = await client.create();
      await client.ok('UpdateImageCache', { ImageCacheId: ready, Image: [held.image] });
      for (const ImageCacheId of [await createHeld(client, held), ready]) {
        await client.ok('DeleteImageCache', { ImageCacheId });
        assert.equal(await client.cache(ImageCacheId), undefined);
      }
      assert.equal((await client.ok('ListUsage')).Attributes.UsedImageCacheCount, 0);
    },
  ),
  create('error', 'QuotaExceeded', 'no cache makes room while a build works on it', async (live) => {
    await using held = await startHeld();
    const client = await live.newClient();
    await live.admin.store.accounts.setMaxImageCaches(client.accountId, 1);
    const ImageCacheId = await createHeld(client, held, LRU);
    await client.refused('CreateImageCache', { ImageCacheName: 'x', Image: [live.image] }, EXCEEDED);
    await client.ok('DeleteImageCache', { ImageCacheId });
    await client.create();
  }),
  create(
    'parameter',
    'EliminationStrategy',
    'LRU: the least recently matched goes first, others never',
    async (live) => {
      const client = await live.newClient();
      await live.admin.store.accounts.setMaxImageCaches(client.accountId, 3);
      const kept = await client.create();
      const used = await client.create(LRU);
      const idle = await client.create(LRU);
      await client.ok('DescribeImageCaches', { MatchImage: [live.image], ImageCacheId: used });
      await client.until(async () => (await client.cache(used)).LastMatchedTime !== undefined);
      const params = { ImageCacheName: 'x', Image: [live.image] };
      await client.refused('CreateImageCache', { ...params, DryRun: true }, DRY_RUN);
      assert.deepEqual((await ids(client)).toSorted(), [kept, used, idle].toSorted(), 'a dry run eliminates nothing');
      const first = await client.create();
      assert.deepEqual((await ids(client)).toSorted(), [kept, used, first].toSorted());
      const second = await client.create();
      assert.deepEqual((await ids(client)).toSorted(), [kept, first, second].toSorted());
      await client.refused('CreateImageCache', params, EXCEEDED);
      await client.refused('CreateImageCache', { ...params, DryRun: true }, EXCEEDED);
    },
  ),
];
