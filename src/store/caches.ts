import type { DeleteQueryBuilder, DeleteResult, Kysely } from 'kysely';
import type { Sealer } from '../accounts/index.ts';
import { snapshotIdOf } from '../caches/index.ts';
import { queuedBuildRow } from './build-rows.ts';
import { cacheOf, countCache, rowOfCache } from './cache-rows.ts';
import type { CacheFilter, CachePage, CacheStore } from './ports.ts';
import type { ImageCacheRow, Schema } from './schema.ts';

export function createCacheStore(db: Kysely<Schema>, sealer: Sealer): CacheStore {
  return {
    async create(cache, build) {
      const row = rowOfCache(cache);
      const buildRow = queuedBuildRow(build, { cacheId: cache.id, queuedAtMs: cache.createdAtMs, sealer });
      await db.transaction().execute(async (trx) => {
        await trx.insertInto('image_caches').values(row).execute();
        await trx.insertInto('builds').values(buildRow).execute();
        await trx
          .insertInto('snapshots')
          .values({ id: snapshotIdOf(build.id), image_cache_id: cache.id })
          .execute();
        await countCache(trx, row, 1);
      });
    },

    async find(filter, page) {
      if (filter.id !== undefined) return findOne(db, filter, page);
      const rows = await pageQuery(db, filter, page).execute();
      return { caches: rows.map(cacheOf), total: await countMatching(db, filter) };
    },

    delete({ accountId, regionId, id }) {
      return deleteWhere(db, (query) =>
        query.where('id', '=', id).where('account_id', '=', accountId).where('region_id', '=', regionId),
      );
    },

    async snapshotIds() {
      const rows = await db.selectFrom('snapshots').select('id').execute();
      return new Set(rows.map((row) => row.id));
    },

    async expired(nowMs, limit) {
      const rows = await db
        .selectFrom('image_caches')
        .selectAll()
        .where('expires_at_ms', '<=', nowMs)
        .orderBy('expires_at_ms')
        .limit(limit)
        .execute();
      return rows.map(cacheOf);
    },

    deleteExpired(id, nowMs) {
      return deleteWhere(db, (query) => query.where('id', '=', id).where('expires_at_ms', '<=', nowMs));
    },
  };
}

type Deletion = DeleteQueryBuilder<Schema, 'image_caches', DeleteResult>;

/** Deletes at most one cache; its build, snapshots and their uses of layers go with it (foreign keys). */
function deleteWhere(db: Kysely<Schema>, choose: (query: Deletion) => Deletion): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    const row = await choose(trx.deleteFrom('image_caches')).returning(['account_id', 'region_id']).executeTakeFirst();
    if (row) await countCache(trx, row, -1);
    return row !== undefined;
  });
}

async function findOne(db: Kysely<Schema>, filter: CacheFilter, page: CachePage) {
  const row = await db
    .selectFrom('image_caches')
    .selectAll()
    .where('id', '=', filter.id ?? '')
    .executeTakeFirst();
  if (row === undefined || !isMatch(row, filter)) return { caches: [], total: 0 };
  return { caches: isAfter(row, page.after) ? [cacheOf(row)].slice(0, page.limit) : [], total: 1 };
}

function isMatch(row: ImageCacheRow, filter: CacheFilter): boolean {
  if (row.account_id !== filter.accountId || row.region_id !== filter.regionId) return false;
  return filter.name === undefined || row.name === filter.name;
}

function isAfter(row: ImageCacheRow, after: CachePage['after']): boolean {
  if (after === undefined || row.created_at_ms < after.createdAtMs) return true;
  return row.created_at_ms === after.createdAtMs && row.id > after.id;
}

function pageQuery(db: Kysely<Schema>, filter: CacheFilter, { limit, after }: CachePage) {
  const { accountId, regionId, name } = filter;
  let query = db
    .selectFrom('image_caches')
    .selectAll()
    .where('account_id', '=', accountId)
    .where('region_id', '=', regionId)
    .orderBy('created_at_ms', 'desc')
    .orderBy('id')
    .limit(limit);
  if (name !== undefined) query = query.where('name', '=', name);
  if (after === undefined) return query;
  return (
    query
      // Implied by what follows; it alone lets the database start reading the index here.
      .where('created_at_ms', '<=', after.createdAtMs)
      .where((eb) =>
        eb.or([
          eb('created_at_ms', '<', after.createdAtMs),
          eb.and([eb('created_at_ms', '=', after.createdAtMs), eb('id', '>', after.id)]),
        ]),
      )
  );
}

async function countMatching(db: Kysely<Schema>, { accountId, regionId, name }: CacheFilter): Promise<number> {
  if (name === undefined) {
    const row = await db
      .selectFrom('image_cache_counts')
      .select('caches')
      .where('account_id', '=', accountId)
      .where('region_id', '=', regionId)
      .executeTakeFirst();
    return row?.caches ?? 0;
  }
  const { count } = await db
    .selectFrom('image_caches')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('account_id', '=', accountId)
    .where('region_id', '=', regionId)
    .where('name', '=', name)
    .executeTakeFirstOrThrow();
  return count;
}
