import { DEFAULT_PAGE_SIZE, MAX_MATCH_IMAGES, MAX_PAGE_SIZE } from '../caches/index.ts';
import { defineAction, rawJson } from '../rpc/index.ts';
import type { CacheFilter } from '../store/ports.ts';
import { IMAGES, REGION_ID, RESOURCE_GROUP_ID, readTagFilter, TAG_FILTER } from './common-params.ts';
import { findMatches, type MatchRequest, type Page } from './find-matches.ts';
import { IMAGE_CACHE_FIELDS } from './image-cache-view.ts';
import { foreignToken, formatPageToken, parsePageToken } from './page-token.ts';
import type { ApiServices } from './services.ts';

/** DescribeImageCaches: newest first, or the best match first. What does not exist gives an empty list. */
export const describeImageCaches = (services: ApiServices) =>
  defineAction({
    name: 'DescribeImageCaches',
    summary: 'Lists image caches.',
    ramAction: 'eci:DescribeImageCaches',
    ramResource: 'imagecache/{ImageCacheId}',
    errors: ['InvalidParameter'],
    params: {
      RegionId: REGION_ID,
      ImageCacheId: { type: 'string', maxLength: 128, doc: 'Only the image cache with this id.' },
      ImageCacheName: {
        type: 'string',
        maxLength: 1024,
        doc: 'Only image caches with exactly this name.',
        example: 'testcache',
      },
      SnapshotId: {
        type: 'string',
        maxLength: 128,
        doc: 'Only the image cache with this snapshot.',
        example: 's-2zec5oj8e1yhxijt0000',
      },
      Image: {
        type: 'string',
        maxLength: 512,
        doc: 'Only image caches with such an image: its reference, its repository, or the end of the path of either.',
        example: 'nginx',
      },
      Tag: TAG_FILTER,
      ResourceGroupId: RESOURCE_GROUP_ID,
      MatchImage: {
        ...IMAGES,
        maxItems: MAX_MATCH_IMAGES,
        doc: 'Only Ready image caches that hold some of these images, in the same or another version; the best match first.',
      },
      ImageFullMatch: {
        type: 'boolean',
        default: false,
        doc: 'Only those that hold all of MatchImage in the same version.',
      },
      ImageMatchCountRequest: {
        type: 'integer',
        min: 1,
        max: MAX_MATCH_IMAGES,
        doc: 'Only those that hold at least so many of MatchImage in the same version.',
        example: '1',
      },
      Limit: {
        type: 'integer',
        min: 1,
        max: MAX_PAGE_SIZE,
        default: DEFAULT_PAGE_SIZE,
        doc: 'Size of a page.',
        example: '20',
      },
      NextToken: { type: 'string', maxLength: 1024, doc: 'Where the next page begins, from the answer before.' },
    },
    result: {
      ImageCaches: { type: 'objects', doc: 'The image caches.', fields: IMAGE_CACHE_FIELDS },
      NextToken: { type: 'string', doc: 'Empty at the end.' },
      TotalCount: {
        type: 'integer',
        doc: 'All image caches that the filters let through; with MatchImage counted up to 1,000.',
        example: 15,
      },
    },
    async run(params, context) {
      const { accountId, regionId } = context;
      const filter: CacheFilter = {
        accountId,
        regionId,
        ...(params.ImageCacheId === undefined ? {} : { id: params.ImageCacheId }),
        ...(params.ImageCacheName === undefined ? {} : { name: params.ImageCacheName }),
        ...(params.SnapshotId === undefined ? {} : { snapshotId: params.SnapshotId }),
        ...(params.Image === undefined ? {} : { image: params.Image }),
        ...(params.ResourceGroupId === undefined ? {} : { resourceGroupId: params.ResourceGroupId }),
        ...(params.Tag.length === 0 ? {} : { tags: readTagFilter(params.Tag) }),
      };
      const page = { limit: params.Limit, token: params.NextToken };
      if (params.MatchImage.length === 0) return listCaches(services, filter, page);
      const request: MatchRequest = {
        images: params.MatchImage,
        fullMatch: params.ImageFullMatch,
        matchCount: params.ImageMatchCountRequest,
      };
      return findMatches(services, { filter, request, page, context });
    },
  });

async function listCaches({ store }: ApiServices, filter: CacheFilter, { limit, token }: Page) {
  const after = token === undefined ? undefined : parsePageToken(token);
  if (after === null) throw foreignToken();
  const { json, next, total } = await store.caches.list(filter, { limit, ...(after ? { after } : {}) });
  return { ImageCaches: rawJson(json), NextToken: next ? formatPageToken(next) : '', TotalCount: total };
}
