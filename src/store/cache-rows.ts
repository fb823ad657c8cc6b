import type { ImageCache } from '../caches/index.ts';
import type { CacheView } from './ports.ts';
import type { ImageCacheRow } from './schema.ts';

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
    registries: JSON.parse(row.registries),
    tags: JSON.parse(row.tags),
    events: JSON.parse(row.events),
    ...(row.retention_days === null ? {} : { retentionDays: row.retention_days }),
    ...(row.expires_at_ms === null ? {} : { expiresAtMs: row.expires_at_ms }),
    ...(row.last_matched_at_ms === null ? {} : { lastMatchedAtMs: row.last_matched_at_ms }),
    ...(row.snapshot_id === null ? {} : { snapshotId: row.snapshot_id }),
  };
}

export function rowOfCache(cache: ImageCache, facts: { revision: number; view: CacheView }): ImageCacheRow {
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
    last_used_at_ms: cache.lastMatchedAtMs ?? cache.createdAtMs,
    container_group_id: cache.containerGroupId,
    snapshot_id: cache.snapshotId ?? null,
    resource_group_id: cache.resourceGroupId,
    elimination_strategy: cache.eliminationStrategy,
    registries: JSON.stringify(cache.registries),
    images: JSON.stringify(cache.images),
    tags: JSON.stringify(cache.tags),
    events: JSON.stringify(cache.events),
    revision: facts.revision,
    view_version: facts.view.version,
    view: facts.view.render(cache),
  };
}
