import type { Kysely } from 'kysely';
import { type ImageCache, indexedImages } from '../caches/index.ts';
import { rowOfCache } from './cache-rows.ts';
import type { CacheView } from './ports.ts';
import type { Schema } from './schema.ts';

/** A reader that fell this many removals behind starts anew; they are kept for the others. */
const MAX_REMOVALS = 100_000;

/**
 * The one place that writes rows of image caches, inside the transaction of its caller. With the row go the tables that find
 * it: its images, its tags, its view, the count of its region, and the revision that tells readers what is new.
 */
export type CacheWriter = {
  insert(trx: Kysely<Schema>, cache: ImageCache): Promise<void>;
  /** Replaces `before` by `after`; the identity, the account and the region stay. */
  save(trx: Kysely<Schema>, before: ImageCache, after: ImageCache): Promise<void>;
  /** The row goes with its build, snapshots and their uses of layers (foreign keys). */
  remove(trx: Kysely<Schema>, cache: Pick<ImageCache, 'id' | 'accountId' | 'regionId'>): Promise<void>;
};

export function createCacheWriter(view: CacheView): CacheWriter {
  return {
    async insert(trx, cache) {
      const revision = await nextRevision(trx, cache, 1);
      await trx.insertInto('image_caches').values(rowOfCache(cache, { revision, view })).execute();
      await insertImages(trx, cache);
      await insertTags(trx, cache);
    },

    async save(trx, before, after) {
      const revision = await nextRevision(trx, after, 0);
      const { id: _id, account_id: _account, region_id: _region, ...change } = rowOfCache(after, { revision, view });
      await trx.updateTable('image_caches').set(change).where('id', '=', after.id).execute();
      if (before.images !== after.images) {
        await trx.deleteFrom('image_cache_images').where('image_cache_id', '=', after.id).execute();
        await insertImages(trx, after);
      }
      if (before.tags !== after.tags) {
        await trx.deleteFrom('image_cache_tags').where('image_cache_id', '=', after.id).execute();
        await insertTags(trx, after);
      }
    },

    async remove(trx, cache) {
      const revision = await nextRevision(trx, cache, -1);
      await trx.deleteFrom('image_caches').where('id', '=', cache.id).execute();
      const { accountId: account_id, regionId: region_id, id } = cache;
      await trx.insertInto('image_cache_removals').values({ account_id, region_id, revision, id }).execute();
      await pruneRemovals(trx, cache, revision - MAX_REMOVALS);
    },
  };
}

type Region = Pick<ImageCache, 'accountId' | 'regionId'>;

/** The next revision of a region, and its caches counted in (+1) or out (−1): pages give the total without counting rows. */
async function nextRevision(trx: Kysely<Schema>, region: Region, change: 1 | 0 | -1): Promise<number> {
  const { accountId: account_id, regionId: region_id } = region;
  const row = await trx
    .insertInto('image_cache_counts')
    .values({ account_id, region_id, caches: change, revision: 1, removals_floor: 0 })
    .onConflict((conflict) =>
      conflict.columns(['account_id', 'region_id']).doUpdateSet((eb) => ({
        caches: eb(eb.ref('image_cache_counts.caches'), '+', change),
        revision: eb(eb.ref('image_cache_counts.revision'), '+', 1),
      })),
    )
    .returning('revision')
    .executeTakeFirstOrThrow();
  return row.revision;
}

async function pruneRemovals(trx: Kysely<Schema>, { accountId, regionId }: Region, floor: number): Promise<void> {
  if (floor <= 0) return;
  const pruned = await trx
    .deleteFrom('image_cache_removals')
    .where('account_id', '=', accountId)
    .where('region_id', '=', regionId)
    .where('revision', '<=', floor)
    .executeTakeFirst();
  if (pruned.numDeletedRows === 0n) return;
  await trx
    .updateTable('image_cache_counts')
    .set({ removals_floor: floor })
    .where('account_id', '=', accountId)
    .where('region_id', '=', regionId)
    .execute();
}

async function insertImages(trx: Kysely<Schema>, cache: ImageCache): Promise<void> {
  const rows = indexedImages(cache.images).map(({ reference, repository, leaf }) => ({
    image_cache_id: cache.id,
    account_id: cache.accountId,
    region_id: cache.regionId,
    leaf,
    repository,
    reference,
  }));
  if (rows.length > 0) await trx.insertInto('image_cache_images').values(rows).execute();
}

async function insertTags(trx: Kysely<Schema>, cache: ImageCache): Promise<void> {
  const rows = cache.tags.map(({ key, value }) => ({
    image_cache_id: cache.id,
    account_id: cache.accountId,
    region_id: cache.regionId,
    key,
    value,
  }));
  if (rows.length > 0) await trx.insertInto('image_cache_tags').values(rows).execute();
}
