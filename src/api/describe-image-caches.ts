import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from '../caches/index.ts';
import { apiError, defineAction } from '../rpc/index.ts';
import { REGION_ID } from './common-params.ts';
import { imageCacheView } from './image-cache-view.ts';
import { formatPageToken, parsePageToken } from './page-token.ts';
import type { ApiServices } from './services.ts';

const time = (doc: string) => ({ type: 'string', optional: true, doc: `${doc} RFC 3339, UTC.` }) as const;

/** DescribeImageCaches: by id, by name, or all; newest first. An id that does not exist gives an empty list. */
export const describeImageCaches = (services: ApiServices) =>
  defineAction({
    name: 'DescribeImageCaches',
    summary: 'Lists image caches.',
    ramAction: 'eci:DescribeImageCaches',
    ramResource: 'imagecache/{ImageCacheId}',
    params: {
      RegionId: REGION_ID,
      ImageCacheId: { type: 'string', maxLength: 128, doc: 'Only the image cache with this id.' },
      ImageCacheName: { type: 'string', maxLength: 1024, doc: 'Only image caches with exactly this name.' },
      Limit: { type: 'integer', min: 1, max: MAX_PAGE_SIZE, default: DEFAULT_PAGE_SIZE, doc: 'Size of a page.' },
      NextToken: { type: 'string', maxLength: 1024, doc: 'Where the next page begins, from the answer before.' },
    },
    result: {
      ImageCaches: {
        type: 'objects',
        doc: 'The image caches.',
        fields: {
          ImageCacheId: { type: 'string', doc: 'Id.' },
          ImageCacheName: { type: 'string', doc: 'Name.' },
          Images: { type: 'strings', doc: 'References as given.' },
          Status: { type: 'string', doc: 'Preparing, Creating, Ready, Failed, Updating or UpdateFailed.' },
          Progress: { type: 'string', doc: 'Percent of the phase under way.', example: '100%' },
          CreationTime: { type: 'string', doc: 'When it was created, RFC 3339, UTC.' },
          ExpireDateTime: time('When it will be deleted.'),
          LastMatchedTime: time('When it was last matched.'),
          ContainerGroupId: { type: 'string', doc: 'The build.' },
          SnapshotId: { type: 'string', optional: true, doc: 'The snapshot, once there is one.' },
          RegionId: { type: 'string', doc: 'Region.' },
          ResourceGroupId: { type: 'string', doc: 'Resource group.' },
          ImageCacheSize: { type: 'integer', doc: 'Size in GiB.' },
          EliminationStrategy: { type: 'string', optional: true, doc: 'LRU or absent.' },
          Tags: {
            type: 'objects',
            doc: 'Tags.',
            fields: { Key: { type: 'string', doc: 'Key.' }, Value: { type: 'string', doc: 'Value.' } },
          },
          Events: {
            type: 'objects',
            doc: 'The newest 50 events, oldest first.',
            fields: {
              Type: { type: 'string', doc: 'Normal or Warning.' },
              Reason: { type: 'string', doc: 'One word.' },
              Message: { type: 'string', doc: 'What happened, and what to do about it.' },
              Name: { type: 'string', doc: 'Unique within the cache.' },
              Count: { type: 'integer', doc: 'How often it happened.' },
              FirstTimestamp: { type: 'string', doc: 'First time.' },
              LastTimestamp: { type: 'string', doc: 'Last time.' },
            },
          },
        },
      },
      NextToken: { type: 'string', doc: 'Empty at the end.' },
      TotalCount: { type: 'integer', doc: 'All image caches that the filters let through.' },
    },
    async run(params, context) {
      const after = params.NextToken === undefined ? undefined : parsePageToken(params.NextToken);
      if (after === null)
        throw apiError('InvalidParameter', { Param: 'NextToken', Reason: 'it is not from an earlier answer' });
      const { accountId, regionId } = context;
      const filter = {
        accountId,
        regionId,
        ...(params.ImageCacheId === undefined ? {} : { id: params.ImageCacheId }),
        ...(params.ImageCacheName === undefined ? {} : { name: params.ImageCacheName }),
      };
      // One more than asked for tells whether there is a next page.
      const page = { limit: params.Limit + 1, ...(after === undefined ? {} : { after }) };
      const { caches, total } = await services.store.caches.find(filter, page);
      const shown = caches.slice(0, params.Limit);
      const last = shown.at(-1);
      return {
        ImageCaches: shown.map(imageCacheView),
        NextToken: last !== undefined && caches.length > shown.length ? formatPageToken(last) : '',
        TotalCount: total,
      };
    },
  });
