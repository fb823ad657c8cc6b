import { type ImageCache, MAX_TAGS } from '../caches/index.ts';
import { apiError, defineAction } from '../rpc/index.ts';
import { readTags } from './checks.ts';
import { REGION_ID, TAGS } from './common-params.ts';
import { runOnce } from './run-once.ts';
import type { ApiServices } from './services.ts';
import { checkResourceType, RESOURCE_IDS, RESOURCE_TYPE } from './tag-params.ts';

/** TagResources: adds tags to image caches, or replaces the values of those that are there; all caches or none. */
export const tagResources = (services: ApiServices) =>
  defineAction({
    name: 'TagResources',
    summary: 'Adds tags to image caches.',
    ramAction: 'eci:TagResources',
    ramResource: 'imagecache/{ResourceId.1}',
    errors: ['InvalidParameter', 'InvalidParameter.NotFound', 'NumberExceed.Tags'],
    params: {
      RegionId: REGION_ID,
      ResourceType: RESOURCE_TYPE,
      ResourceId: { ...RESOURCE_IDS, required: true },
      Tag: {
        ...TAGS,
        required: true,
        tooMany: 'NumberExceed.Tags',
        fields: { ...TAGS.fields, Key: { ...TAGS.fields.Key, required: true } },
      },
    },
    async run(params, context) {
      checkResourceType(params.ResourceType);
      const added = readTags(params.Tag);
      const keys = new Set(added.map(({ key }) => key));

      function decide(cache: ImageCache) {
        const tags = [...cache.tags.filter(({ key }) => !keys.has(key)), ...added];
        if (tags.length > MAX_TAGS) throw apiError('NumberExceed.Tags');
        return { cache: { ...cache, tags } };
      }

      const { nowMs } = context;
      return runOnce({ services, context, params: { ClientToken: undefined } }, {}, (completion) =>
        services.store.caches.change(context, params.ResourceId, decide, { nowMs, ...completion }),
      );
    },
  });
