import { type Kysely, sql } from 'kysely';
import type { CacheStatus, ImageCache } from '../caches/index.ts';
import { isWhole, matching, pageOf, type QueryFilter, queryFilter } from './cache-query.ts';
import { cacheOf } from './cache-rows.ts';
import type { CacheFilter, CacheList, CachePage, CacheScope, CacheStore, CacheView } from './ports.ts';
import type { Prepared } from './prepared.ts';
import type { ReadMemory } from './read-memory.ts';
import type { ImageCacheRow, Schema } from './schema.ts';

const VIEW_COLUMNS = ['id', 'created_at_ms', 'last_matched_at_ms', 'view_version', 'view'] as const;
type ViewRow = Pick<ImageCacheRow, (typeof VIEW_COLUMNS)[number]>;

/** Lists from this length on are kept as they are sent. */
const BUFFER_CHARS = 8192;

function listOf(views: readonly string[]): string | Buffer {
  const json = `[${views.join(',')}]`;
  return json.length < BUFFER_CHARS ? json : Buffer.from(json);
}

/** What reads lists of caches; every text of a query is compiled once a shape of filter. */
export function createCacheReader(
  db: Kysely<Schema>,
  { prepared, view, memory }: { prepared: Prepared; view: CacheView; memory: ReadMemory<CacheList> },
): Pick<CacheStore, 'find' | 'list' | 'views' | 'ids' | 'count' | 'countByStatus'> {
  function count(filter: QueryFilter): number {
    if (isWhole(filter)) {
      const { accountId, regionId } = filter;
      const [row] = prepared('count of region', { accountId, regionId }, (scope) =>
        db
          .selectFrom('image_cache_counts')
          .select('caches')
          .where('account_id', '=', scope.accountId)
          .where('region_id', '=', scope.regionId),
      );
      return row?.caches ?? 0;
    }
    const [row] = prepared('count', filter, (some) =>
      matching(db, some).select((eb) => eb.fn.countAll<number>().as('count')),
    );
    return row?.count ?? 0;
  }

  async function readList(filter: CacheFilter, { limit, after }: CachePage): Promise<CacheList> {
    const query = queryFilter(filter);
    // One more than asked for tells whether there is a next page.
    const page = { limit: limit + 1, ...(after ? { after } : {}) };
    const rows = prepared(`list ${limit}`, { query, after }, (input) =>
      pageOf(matching(db, input.query).select(VIEW_COLUMNS), {
        limit: page.limit,
        ...(input.after ? { after: input.after } : {}),
      }),
    );
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return {
      json: listOf(await viewsOf(shown, filter)),
      total: total(rows, query, page),
      ...(last ? { next: { createdAtMs: last.created_at_ms, id: last.id } } : {}),
    };
  }

  async function readViews({ accountId, regionId }: CacheScope, ids: readonly string[]): Promise<CacheList['json']> {
    const rows = prepared('views', { accountId, regionId, ids }, (filter) => matching(db, filter).select(VIEW_COLUMNS));
    const texts = await viewsOf(rows, { accountId, regionId });
    const byId = new Map(rows.map(({ id }, index) => [id, texts[index] ?? '']));
    return listOf(ids.flatMap((id) => byId.get(id) ?? []));
  }

  /** The texts of the rows, in their order. */
  async function viewsOf(rows: readonly ViewRow[], scope: CacheScope): Promise<string[]> {
    const stale = rows.flatMap((row) => (row.view_version === view.version ? [] : row.id));
    const fresh = new Map((await cachesByIds(db, scope, stale)).map((cache) => [cache.id, view.render(cache)]));
    return rows.map(({ id, last_matched_at_ms: matchedAtMs, view: kept }) => {
      const json = fresh.get(id) ?? kept;
      return matchedAtMs === null ? json : view.complete(json, matchedAtMs);
    });
  }

  /** A page that is not full is the end, and a first page with its end is all there is. */
  function total(rows: readonly unknown[], filter: QueryFilter, page: CachePage): number {
    return page.after === undefined && rows.length < page.limit ? rows.length : count(filter);
  }

  return {
    async find(filter, page) {
      const query = queryFilter(filter);
      const rows = await pageOf(matching(db, query).selectAll('image_caches'), page).execute();
      return { caches: rows.map(cacheOf), total: total(rows, query, page) };
    },

    list: (filter, page) => memory(JSON.stringify([filter, page]), () => readList(filter, page)),

    async views(scope, ids) {
      // Not remembered: matches are written down, and every commit makes what is remembered old.
      return ids.length === 0 ? '[]' : readViews(scope, ids);
    },

    async ids(filter) {
      const rows = await matching(db, queryFilter(filter)).select('id').execute();
      return new Set(rows.map(({ id }) => id));
    },

    count: async ({ accountId, regionId }) => count({ accountId, regionId }),

    async countByStatus() {
      // As in the index of those that are not Ready (migrations/0007-status-index.ts), or all caches would be read.
      const others = await db
        .selectFrom('image_caches')
        .select((eb) => ['status', eb.fn.countAll<number>().as('count')])
        .where('status', '!=', sql.lit('Ready'))
        .groupBy('status')
        .execute();
      const all = await db
        .selectFrom('image_cache_counts')
        .select((eb) => eb.fn.sum<number | null>('caches').as('count'))
        .executeTakeFirst();
      const counts = new Map<CacheStatus, number>(others.map(({ status, count: some }) => [status, some]));
      const notReady = others.reduce((sum, { count: some }) => sum + some, 0);
      return counts.set('Ready', (all?.count ?? 0) - notReady);
    },
  };
}

/** Those of the caches that are there, in no order. */
export async function cachesByIds(
  db: Kysely<Schema>,
  { accountId, regionId }: CacheScope,
  ids: readonly string[],
): Promise<ImageCache[]> {
  if (ids.length === 0) return [];
  const rows = await matching(db, { accountId, regionId, ids }).selectAll('image_caches').execute();
  return rows.map(cacheOf);
}

/** How many caches a region holds, inside the transaction that is about to change it. */
export async function countOfRegion(trx: Kysely<Schema>, { accountId, regionId }: CacheScope): Promise<number> {
  const row = await trx
    .selectFrom('image_cache_counts')
    .select('caches')
    .where('account_id', '=', accountId)
    .where('region_id', '=', regionId)
    .executeTakeFirst();
  return row?.caches ?? 0;
}
