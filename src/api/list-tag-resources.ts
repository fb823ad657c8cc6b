import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from '../caches/index.ts';
import { defineAction } from '../rpc/index.ts';
import { REGION_ID, readTagFilter, TAG_FILTER } from './common-params.ts';
import { foreignToken, formatTagToken, parseTagToken } from './page-token.ts';
import type { ApiServices } from './services.ts';
import { checkResourceType, IMAGE_CACHE_TYPE, RESOURCE_IDS, RESOURCE_TYPE } from './tag-params.ts';

/** ListTagResources: the tags of image caches, by cache and then by key. */
export const listTagResources = (services: ApiServices) =>
  defineAction({
    name: 'ListTagResources',
    summary: 'Lists the tags of image caches.',
    ramAction: 'eci:ListTagResources',
    errors: ['InvalidParameter', 'NumberExceed.Tags'],
    params: {
      RegionId: REGION_ID,
      ResourceType: RESOURCE_TYPE,
      ResourceId: RESOURCE_IDS,
      Tag: { ...TAG_FILTER, tooMany: 'NumberExceed.Tags' },
      Limit: {
        type: 'integer',
        min: 1,
        max: MAX_PAGE_SIZE,
        default: DEFAULT_PAGE_SIZE,
        doc: 'Tags of a page.',
        example: '20',
      },
      NextToken: { type: 'string', maxLength: 1024, doc: 'Where the next page begins, from the answer before.' },
    },
    result: {
      NextToken: { type: 'string', doc: 'Empty at the end.' },
      TagResources: {
        type: 'objects',
        doc: 'One for each tag of each resource.',
        fields: {
          ResourceType: { type: 'string', doc: 'ImageCache.', example: IMAGE_CACHE_TYPE },
          ResourceId: { type: 'string', doc: 'Id of the image cache.' },
          TagKey: { type: 'string', doc: 'Key.', example: 'imc' },
          TagValue: { type: 'string', doc: 'Value.', example: 'test' },
        },
      },
    },
    async run(params, { accountId, regionId }) {
      checkResourceType(params.ResourceType);
      const after = params.NextToken === undefined ? undefined : parseTagToken(params.NextToken);
      if (after === null) throw foreignToken();
      const ids = params.ResourceId.length === 0 ? {} : { ids: params.ResourceId };
      const filter = { accountId, regionId, ...ids, tags: readTagFilter(params.Tag) };
      // One more than asked for tells whether there is a next page.
      const page = { limit: params.Limit + 1, ...(after === undefined ? {} : { after }) };
      const found = await services.store.caches.tags(filter, page);
      const shown = found.slice(0, params.Limit);
      const last = shown.at(-1);
      return {
        NextToken: last && found.length > shown.length ? formatTagToken({ id: last.id, key: last.tag.key }) : '',
        TagResources: shown.map(({ id, tag }) => ({
          ResourceType: IMAGE_CACHE_TYPE,
          ResourceId: id,
          TagKey: tag.key,
          TagValue: tag.value,
        })),
      };
    },
  });
