import type { Kysely } from 'kysely';
import type { CacheStore, TagListFilter, TagOfCache } from './ports.ts';
import type { Schema } from './schema.ts';

/** CacheStore.tags: tags of the caches with all of the wanted tags. */
export function createTagList(db: Kysely<Schema>): CacheStore['tags'] {
  return async (filter, { limit, after }) => {
    let query = tagsOf(db, filter)
      .select(['image_cache_id', 'key', 'value'])
      .orderBy('image_cache_id')
      .orderBy('key')
      .limit(limit);
    if (after) {
      query = query.where((eb) =>
        eb.or([
          eb('image_cache_id', '>', after.id),
          eb.and([eb('image_cache_id', '=', after.id), eb('key', '>', after.key)]),
        ]),
      );
    }
    const rows = await query.execute();
    return rows.map((row): TagOfCache => ({ id: row.image_cache_id, tag: { key: row.key, value: row.value } }));
  };
}

function tagsOf(db: Kysely<Schema>, { accountId, regionId, ids, tags = [] }: TagListFilter) {
  let query = db
    .selectFrom('image_cache_tags')
    .where('image_cache_tags.account_id', '=', accountId)
    .where('image_cache_tags.region_id', '=', regionId);
  if (ids) query = query.where('image_cache_id', 'in', ids);
  for (const { key, value } of tags) {
    query = query.where('image_cache_id', 'in', (eb) => {
      const tagged = eb
        .selectFrom('image_cache_tags as wanted')
        .select('wanted.image_cache_id')
        .where('wanted.account_id', '=', accountId)
        .where('wanted.region_id', '=', regionId)
        .where('wanted.key', '=', key);
      return value === undefined ? tagged : tagged.where('wanted.value', '=', value);
    });
  }
  return query;
}
