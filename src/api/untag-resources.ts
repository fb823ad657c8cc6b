import { type ImageCache, MAX_TAG_KEY_LENGTH, MAX_TAGS } from '../caches/index.ts';
import { apiError, defineAction } from '../rpc/index.ts';
import { CLIENT_TOKEN, REGION_ID } from './common-params.ts';
import { runOnce } from './run-once.ts';
import type { ApiServices } from './services.ts';
import { checkResourceType, RESOURCE_IDS, RESOURCE_TYPE } from './tag-params.ts';

/** UntagResources: takes tags off image caches by key, or all of them; a key that a cache has not is no error. */
export const untagResources = (services: ApiServices) =>
  defineAction({
    name: 'UntagResources',
    summary: 'Removes tags from image caches.',
    ramAction: 'eci:UntagResources',
    ramResource: 'imagecache/{ResourceId.1}',
    errors: [
      'InvalidParameter',
      'InvalidParameter.NotFound',
      'NumberExceed.Tags',
      'IdempotentParameterMismatch',
      'LastTokenProcessing',
    ],
    params: {
      RegionId: REGION_ID,
      ResourceType: RESOURCE_TYPE,
      ResourceId: { ...RESOURCE_IDS, required: true },
      TagKey: {
        type: 'strings',
        maxItems: MAX_TAGS,
        tooMany: 'NumberExceed.Tags',
        maxLength: MAX_TAG_KEY_LENGTH,
        doc: 'Keys of the tags.',
        example: 'imc',
      },
      All: { type: 'boolean', default: false, doc: 'All tags; counts only when no TagKey is given.' },
      ClientToken: CLIENT_TOKEN,
    },
    async run(params, context) {
      checkResourceType(params.ResourceType);
      const keys = new Set(params.TagKey);
      if (keys.size === 0 && !params.All) throw apiError('Missing{Param}', { Param: 'TagKey' });

      function decide(cache: ImageCache) {
        const tags = keys.size === 0 ? [] : cache.tags.filter(({ key }) => !keys.has(key));
        return tags.length === cache.tags.length ? undefined : { cache: { ...cache, tags } };
      }

      const { nowMs } = context;
      return runOnce({ services, context, params }, {}, (completion) =>
        services.store.caches.change(context, params.ResourceId, decide, { nowMs, ...completion }),
      );
    },
  });
