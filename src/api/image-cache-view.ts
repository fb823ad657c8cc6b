import type { ImageCache } from '../caches/index.ts';
import { formatTime } from '../lib/clock.ts';
import type { CacheView } from '../store/ports.ts';

const time = (doc: string) =>
  ({ type: 'string', doc: `${doc} RFC 3339, UTC.`, example: '2021-02-09T02:24:07Z' }) as const;
const optional = { optional: true } as const;

/** The fields of an image cache in an answer. */
export const IMAGE_CACHE_FIELDS = {
  ImageCacheId: { type: 'string', doc: 'Id.', example: 'imc-bp195erqe9o2pb090000' },
  ImageCacheName: { type: 'string', doc: 'Name.', example: 'imagetest' },
  Images: { type: 'strings', doc: 'References as given; while the cache is updated, those that it still holds.' },
  Status: {
    type: 'string',
    doc: 'Preparing, Creating, Ready, Failed, Updating or UpdateFailed.',
    example: 'Ready',
  },
  Progress: { type: 'string', doc: 'Percent of the phase under way.', example: '100%' },
  CreationTime: time('When it was created.'),
  ExpireDateTime: { ...time('When it will be deleted.'), ...optional },
  LastMatchedTime: { ...time('When it was last matched, up to a minute ago.'), ...optional },
  ContainerGroupId: { type: 'string', doc: 'The latest build.', example: 'eci-bp18oq3m15prd9jb0000' },
  SnapshotId: {
    type: 'string',
    doc: 'The snapshot, once there is one.',
    example: 's-2zec5oj8e1yhxijt0000',
    ...optional,
  },
  FlashSnapshotId: {
    type: 'string',
    doc: 'A temporary snapshot of the vendor’s; never there, because the snapshot itself is there at once.',
    ...optional,
  },
  RegionId: { type: 'string', doc: 'Region.', example: 'cn-hangzhou' },
  ResourceGroupId: { type: 'string', doc: 'Resource group.', example: 'rg-2df3isufhi38' },
  ImageCacheSize: { type: 'integer', doc: 'Size in GiB.', example: 20 },
  EliminationStrategy: { type: 'string', doc: 'LRU or absent.', example: 'LRU', ...optional },
  Tags: {
    type: 'objects',
    doc: 'Tags.',
    fields: {
      Key: { type: 'string', doc: 'Key.', example: 'imc' },
      Value: { type: 'string', doc: 'Value.', example: 'test' },
    },
  },
  Events: {
    type: 'objects',
    doc: 'The newest 50 events, oldest first.',
    fields: {
      Type: { type: 'string', doc: 'Normal or Warning.', example: 'Normal' },
      Reason: { type: 'string', doc: 'One word.', example: 'Started' },
      Message: {
        type: 'string',
        doc: 'What happened, and what to do about it.',
        example: 'Successfully check image cache resource.',
      },
      Name: { type: 'string', doc: 'Unique within the cache.', example: 'imagetest.1661f31f851a0000' },
      Count: { type: 'integer', doc: 'How often it happened.', example: 1 },
      FirstTimestamp: time('First time.'),
      LastTimestamp: time('Last time.'),
    },
  },
} as const;

/** What the store keeps beside every cache, ready to be sent. The version changes with {@link imageCacheView}. */
export const IMAGE_CACHE_VIEW: CacheView = {
  version: 2,
  render: (cache) => JSON.stringify({ ...imageCacheView(cache), LastMatchedTime: undefined }),
  complete: (view, lastMatchedAtMs) => `${view.slice(0, -1)},"LastMatchedTime":"${formatTime(lastMatchedAtMs)}"}`,
};

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
