import type { Kysely } from 'kysely';
import type { Sealer } from '../accounts/index.ts';
import { type ImageCache, snapshotIdOf } from '../caches/index.ts';
import { LarderError } from '../lib/errors.ts';
import { queuedBuildRow } from './build-rows.ts';
import { createCacheFeed } from './cache-feed.ts';
import { matching, unindexed } from './cache-query.ts';
import { cachesByIds, countOfRegion, createCacheReader } from './cache-reader.ts';
import { cacheOf } from './cache-rows.ts';
import { createTagList } from './cache-tags.ts';
import type { CacheWriter } from './cache-writer.ts';
import { complete } from './client-tokens.ts';
import type { CacheList, CacheScope, CacheStore, CacheView, QueuedBuild } from './ports.ts';
import type { Prepared } from './prepared.ts';
import type { ReadMemory } from './read-memory.ts';
import type { Schema } from './schema.ts';
import type { Unsynced } from './unsynced.ts';

export function createCacheStore(
  db: Kysely<Schema>,
  parts: {
    prepared: Prepared;
    memory: ReadMemory<CacheList>;
    writer: CacheWriter;
    view: CacheView;
    sealer: Sealer;
    unsynced: Unsynced;
  },
): CacheStore {
  const { prepared, writer, sealer, unsynced } = parts;

  async function queue(trx: Kysely<Schema>, cache: ImageCache, build: QueuedBuild, queuedAtMs: number): Promise<void> {
    await trx.insertInto('builds').values(queuedBuildRow(build, { cache, queuedAtMs, sealer })).execute();
    await trx
      .insertInto('snapshots')
      .values({ id: snapshotIdOf(build.id), image_cache_id: cache.id })
      .execute();
  }

  return {
    async create(cache, build, { maxCaches, ...completion } = {}) {
      return db.transaction().execute(async (trx) => {
        const eliminated = maxCaches === undefined ? [] : await makeRoom(trx, writer, { scope: cache, maxCaches });
        await writer.insert(trx, cache);
        await queue(trx, cache, build, cache.createdAtMs);
        await complete(trx, completion);
        return { eliminated };
      });
    },

    ...createCacheReader(db, parts),

    async change(scope, ids, decide, { nowMs, ...completion }) {
      await db.transaction().execute(async (trx) => {
        const found = new Map((await cachesByIds(trx, scope, ids)).map((cache) => [cache.id, cache]));
        for (const id of ids) {
          const cache = found.get(id);
          if (!cache) throw new LarderError('store.not-found', `there is no image cache ${id}`, { facts: { id } });
          const change = decide(cache);
          if (!change) continue;
          await writer.save(trx, cache, change.cache);
          if (change.build) await queue(trx, change.cache, change.build, nowMs);
        }
        await complete(trx, completion);
      });
    },

    async touch(matches) {
      await unsynced(async (trx) => {
        for (const { id, accountId, regionId, matchedAtMs } of matches) {
          await trx
            .updateTable('image_caches')
            .set({ last_matched_at_ms: matchedAtMs, last_used_at_ms: matchedAtMs })
            .where('id', '=', id)
            .where(unindexed('account_id'), '=', accountId)
            .where(unindexed('region_id'), '=', regionId)
            .execute();
        }
      });
    },

    async delete({ id, ...scope }, completion = {}) {
      return db.transaction().execute(async (trx) => {
        const row = await matching(trx, { ...scope, id })
          .select('id')
          .executeTakeFirst();
        if (!row) return false;
        await writer.remove(trx, { ...scope, id });
        await complete(trx, completion);
        return true;
      });
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

    async nextExpiryMs() {
      const row = await db
        .selectFrom('image_caches')
        .select('expires_at_ms')
        .where('expires_at_ms', 'is not', null)
        .orderBy('expires_at_ms')
        .limit(1)
        .executeTakeFirst();
      return row?.expires_at_ms ?? undefined;
    },

    async deleteExpired(id, nowMs) {
      return db.transaction().execute(async (trx) => {
        const row = await trx
          .selectFrom('image_caches')
          .select(['account_id', 'region_id'])
          .where('id', '=', id)
          .where('expires_at_ms', '<=', nowMs)
          .executeTakeFirst();
        if (row) await writer.remove(trx, { id, accountId: row.account_id, regionId: row.region_id });
        return row !== undefined;
      });
    },

    async scopes() {
      const rows = await db
        .selectFrom('image_cache_counts')
        .select(['account_id', 'region_id'])
        .where('caches', '>', 0)
        .execute();
      return rows.map((row) => ({ accountId: row.account_id, regionId: row.region_id }));
    },

    async regions(accountId) {
      const rows = await db
        .selectFrom('image_cache_counts')
        .select('region_id')
        .where('account_id', '=', accountId)
        .where('caches', '>', 0)
        .orderBy('region_id')
        .execute();
      return rows.map((row) => row.region_id);
    },

    tags: createTagList(db),
    feed: createCacheFeed(db, prepared),
  };
}

/**
 * Makes the region hold fewer than `maxCaches`: the least recently used caches that may be eliminated go. Throws
 * `store.quota-exceeded` when there are none. A cache that a build works on is not eliminated.
 */
async function makeRoom(
  trx: Kysely<Schema>,
  writer: CacheWriter,
  { scope, maxCaches }: { scope: CacheScope; maxCaches: number },
): Promise<string[]> {
  const { accountId, regionId } = scope;
  const surplus = (await countOfRegion(trx, scope)) - maxCaches + 1;
  if (surplus <= 0) return [];
  const rows = await matching(trx, { accountId, regionId })
    .select('id')
    .where('elimination_strategy', '=', 'LRU')
    .where('status', 'in', ['Ready', 'Failed', 'UpdateFailed'])
    .orderBy('last_used_at_ms')
    .orderBy('id')
    .limit(surplus)
    .execute();
  if (rows.length < surplus) {
    throw new LarderError('store.quota-exceeded', `the region holds its ${maxCaches} image caches already`, {
      facts: { maxCaches },
    });
  }
  for (const { id } of rows) await writer.remove(trx, { id, accountId, regionId });
  return rows.map(({ id }) => id);
}
