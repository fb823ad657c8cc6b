import { type ExpressionBuilder, type Kysely, type RawBuilder, type SelectQueryBuilder, sql } from 'kysely';
import { type ImageFilter, imageFilter } from '../caches/index.ts';
import type { CacheFilter, CachePage, TagFilter } from './ports.ts';
import type { Schema } from './schema.ts';

/** A filter whose parts go into a query as they are. */
export type QueryFilter = Omit<CacheFilter, 'image'> & { image?: ImageFilter };

export function queryFilter({ image, ...filter }: CacheFilter): QueryFilter {
  return image === undefined ? filter : { ...filter, image: imageFilter(image) };
}

/** The caches that a filter lets through, in no order. */
export function matching(db: Kysely<Schema>, filter: QueryFilter) {
  const { accountId, regionId, id, ids, name, snapshotId, resourceGroupId, image, tags = [] } = filter;
  const byId = id !== undefined || ids !== undefined;
  let query = db
    .selectFrom('image_caches')
    .where(byId ? unindexed('image_caches.account_id') : 'image_caches.account_id', '=', accountId)
    .where(byId ? unindexed('image_caches.region_id') : 'image_caches.region_id', '=', regionId);
  if (id !== undefined) query = query.where('image_caches.id', '=', id);
  if (ids !== undefined) query = query.where('image_caches.id', 'in', ids);
  if (name !== undefined) query = query.where('name', '=', name);
  if (snapshotId !== undefined) query = query.where('snapshot_id', '=', snapshotId);
  if (resourceGroupId !== undefined) query = query.where('resource_group_id', '=', resourceGroupId);
  if (image !== undefined) query = query.where((eb) => eb('image_caches.id', 'in', withImage(eb, filter, image)));
  for (const tag of tags) query = query.where((eb) => eb('image_caches.id', 'in', withTag(eb, filter, tag)));
  return query;
}

/**
 * Keeps the database from the index of this column: for a list of ids SQLite would rather walk all caches of the region in the
 * order of a page than look up each id, which takes 20 ms of 100,000 caches and not a tenth of one.
 */
export function unindexed(column: string): RawBuilder<string> {
  return sql`coalesce(${sql.ref(column)}, '')`;
}

/** A page of them: newest first, then by id. */
export function pageOf<Row>(
  query: SelectQueryBuilder<Schema, 'image_caches', Row>,
  { limit, after }: CachePage,
): SelectQueryBuilder<Schema, 'image_caches', Row> {
  // A number in the text: SQLite plans a query anew whenever a limit is bound, which costs more than reading one row.
  const ordered = query.orderBy('created_at_ms', 'desc').orderBy('id').limit(sql.lit(limit));
  if (after === undefined) return ordered;
  return (
    ordered
      // Implied by what follows; it alone lets the database start reading the index here.
      .where('created_at_ms', '<=', after.createdAtMs)
      .where((eb) =>
        eb.or([
          eb('created_at_ms', '<', after.createdAtMs),
          eb.and([eb('created_at_ms', '=', after.createdAtMs), eb('image_caches.id', '>', after.id)]),
        ]),
      )
  );
}

/** Whether it asks for all caches of a region: their number is kept, and need not be counted. */
export function isWhole({ accountId: _account, regionId: _region, tags = [], ...others }: QueryFilter): boolean {
  return tags.length === 0 && Object.values(others).every((value) => value === undefined);
}

type Scope = Pick<QueryFilter, 'accountId' | 'regionId'>;

/** Ids of the caches with a matching image; the leaf leads through the index, the rest is the rule of `matchesImage`. */
function withImage(eb: ExpressionBuilder<Schema, 'image_caches'>, { accountId, regionId }: Scope, image: ImageFilter) {
  const { text, pathEnd, leaf } = image;
  return eb
    .selectFrom('image_cache_images')
    .select('image_cache_id')
    .where('image_cache_images.account_id', '=', accountId)
    .where('image_cache_images.region_id', '=', regionId)
    .where('leaf', '=', leaf)
    .where((row) =>
      row.or([
        row('reference', '=', text),
        row('repository', '=', text),
        endsWith(sql.ref('reference'), pathEnd),
        endsWith(sql.ref('repository'), pathEnd),
      ]),
    );
}

/** Every database has `substr`; `like` would ignore case in some. */
function endsWith(column: RawBuilder<unknown>, end: string): RawBuilder<boolean> {
  return sql<boolean>`substr(${column}, length(${column}) - length(${end}) + 1) = ${end}`;
}

function withTag(eb: ExpressionBuilder<Schema, 'image_caches'>, { accountId, regionId }: Scope, tag: TagFilter) {
  const query = eb
    .selectFrom('image_cache_tags')
    .select('image_cache_id')
    .where('image_cache_tags.account_id', '=', accountId)
    .where('image_cache_tags.region_id', '=', regionId)
    .where('key', '=', tag.key);
  return tag.value === undefined ? query : query.where('value', '=', tag.value);
}
