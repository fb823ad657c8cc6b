import type { Kysely } from 'kysely';
import type { ImageCache } from '../caches/index.ts';
import type { ImageCacheRow, Schema } from './schema.ts';

/** The cache of a row; the JSON is what {@link rowOfCache} wrote. */
export function cacheOf(row: ImageCacheRow): ImageCache {
  return {
    id: row.id,
    accountId: row.account_id,
    regionId: row.region_id,
    name: row.name,
    images: JSON.parse(row.images),
    status: row.status,
    progressPercent: row.progress_percent,
    sizeGib: row.size_gib,
    createdAtMs: row.created_at_ms,
    containerGroupId: row.container_group_id,
    resourceGroupId: row.resource_group_id,
    eliminationStrategy: row.elimination_strategy,
    tags: JSON.parse(row.tags),
    events: JSON.parse(row.events),
    ...(row.retention_days === null ? {} : { retentionDays: row.retention_days }),
    ...(row.expires_at_ms === null ? {} : { expiresAtMs: row.expires_at_ms }),
    ...(row.last_matched_at_ms === null ? {} : { lastMatchedAtMs: row.last_matched_at_ms }),
    ...(row.snapshot_id === null ? {} : { snapshotId: row.snapshot_id }),
  };
}

export function rowOfCache(cache: ImageCache): ImageCacheRow {
  return {
    id: cache.id,
    account_id: cache.accountId,
    region_id: cache.regionId,
    name: cache.name,
    status: cache.status,
    progress_percent: cache.progressPercent,
    size_gib: cache.sizeGib,
    retention_days: cache.retentionDays ?? null,
    created_at_ms: cache.createdAtMs,
    expires_at_ms: cache.expiresAtMs ?? null,
    last_matched_at_ms: cache.lastMatchedAtMs ?? null,
    container_group_id: cache.containerGroupId,
    snapshot_id: cache.snapshotId ?? null,
    resource_group_id: cache.resourceGroupId,
    elimination_strategy: cache.eliminationStrategy,
    images: JSON.stringify(cache.images),
    tags: JSON.stringify(cache.tags),
    events: JSON.stringify(cache.events),
  };
}

/** Counts a cache in (+1) or out (−1), in the transaction that adds or removes its row. */
export async function countCache(
  trx: Kysely<Schema>,
  { account_id, region_id }: Pick<ImageCacheRow, 'account_id' | 'region_id'>,
  change: 1 | -1,
): Promise<void> {
  await trx
    .insertInto('image_cache_counts')
    .values({ account_id, region_id, caches: change })
    .onConflict((conflict) =>
      conflict
        .columns(['account_id', 'region_id'])
        .doUpdateSet((eb) => ({ caches: eb(eb.ref('image_cache_counts.caches'), '+', change) })),
    )
    .execute();
}
