import type { ImageCache } from '../caches/index.ts';
import { formatTime } from '../lib/clock.ts';

/** An image cache as DescribeImageCaches answers it: the newest page's fields and order; what does not apply is left out. */
export function imageCacheView(cache: ImageCache) {
  return {
    ImageCacheId: cache.id,
    ImageCacheName: cache.name,
    Images: [...cache.images],
    Status: cache.status,
    Progress: `${cache.progressPercent}%`,
    CreationTime: formatTime(cache.createdAtMs),
    ExpireDateTime: optionalTime(cache.expiresAtMs),
    LastMatchedTime: optionalTime(cache.lastMatchedAtMs),
    ContainerGroupId: cache.containerGroupId,
    SnapshotId: cache.snapshotId,
    RegionId: cache.regionId,
    ResourceGroupId: cache.resourceGroupId,
    ImageCacheSize: cache.sizeGib,
    EliminationStrategy: cache.eliminationStrategy || undefined,
    Tags: cache.tags.map((tag) => ({ Key: tag.key, Value: tag.value })),
    Events: cache.events.map((event) => ({
      Type: event.type,
      Reason: event.reason,
      Message: event.message,
      Name: event.name,
      Count: event.count,
      FirstTimestamp: formatTime(event.firstTimestampMs),
      LastTimestamp: formatTime(event.lastTimestampMs),
    })),
  };
}

function optionalTime(epochMs: number | undefined): string | undefined {
  return epochMs === undefined ? undefined : formatTime(epochMs);
}
