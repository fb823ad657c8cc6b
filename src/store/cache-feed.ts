import type { Kysely } from 'kysely';
import type { CacheFeed, CacheScope } from './ports.ts';
import type { Prepared } from './prepared.ts';
import type { Schema } from './schema.ts';

export function createCacheFeed(db: Kysely<Schema>, prepared: Prepared): CacheFeed {
  return {
    async revision(accountId, regionId) {
      const [row] = prepared('revision', { accountId, regionId }, (scope) => countRow(db, scope));
      return row?.revision ?? 0;
    },

    async changes({ accountId, regionId }, { after, began, limit }) {
      // One view of the database for all four questions.
      return db.transaction().execute(async (trx) => {
        const region = await countRow(trx, { accountId, regionId }).executeTakeFirst();
        const current = region?.revision ?? 0;
        const known = Math.max(after, began);
        if (known < (region?.removals_floor ?? 0)) return { entries: [], removed: [], revision: 0, reset: true };
        const rows = await trx
          .selectFrom('image_caches')
          .select(['id', 'status', 'images', 'size_gib', 'created_at_ms', 'revision'])
          .where('account_id', '=', accountId)
          .where('region_id', '=', regionId)
          .where('revision', '>', after)
          .orderBy('revision')
          .limit(limit)
          .execute();
        const revision = rows.length < limit ? current : (rows.at(-1)?.revision ?? current);
        const removed = await trx
          .selectFrom('image_cache_removals')
          .select(['id', 'revision'])
          .where('account_id', '=', accountId)
          .where('region_id', '=', regionId)
          .where('revision', '>', known)
          .where('revision', '<=', revision)
          .orderBy('revision')
          .execute();
        const entries = rows.map((row) => ({
          id: row.id,
          status: row.status,
          images: JSON.parse(row.images),
          sizeGib: row.size_gib,
          createdAtMs: row.created_at_ms,
          revision: row.revision,
        }));
        return { entries, removed, revision, reset: false };
      });
    },
  };
}

function countRow(db: Kysely<Schema>, { accountId, regionId }: CacheScope) {
  return db
    .selectFrom('image_cache_counts')
    .select(['revision', 'removals_floor'])
    .where('account_id', '=', accountId)
    .where('region_id', '=', regionId);
}
