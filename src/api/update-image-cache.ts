import { type CacheUpdate, effectiveSizeGib, type ImageCache, planUpdate } from '../caches/index.ts';
import { newId } from '../lib/ids.ts';
import { apiError, defineAction } from '../rpc/index.ts';
import type { CacheChange } from '../store/ports.ts';
import { ACR_REGISTRY_INFO, acrLogins } from './acr-registries.ts';
import { checkImages, checkName, checkVSwitches, readLogins, readTags } from './checks.ts';
import {
  CLIENT_TOKEN,
  ELIMINATION_STRATEGY,
  IMAGE_CACHE_SIZE,
  IMAGE_REGISTRY_CREDENTIAL,
  IMAGES,
  REGION_ID,
  RESOURCE_GROUP_ID,
  RETENTION_DAYS,
  TAGS,
  WITHOUT_EFFECT,
} from './common-params.ts';
import { runOnce } from './run-once.ts';
import type { ApiServices } from './services.ts';

/** UpdateImageCache: the description only, or, when images are given, also the content, pulled again. */
export const updateImageCache = (services: ApiServices) =>
  defineAction({
    name: 'UpdateImageCache',
    summary: 'Changes an image cache, and rebuilds it when images are given.',
    ramAction: 'eci:UpdateImageCache',
    ramResource: 'imagecache/{ImageCacheId}',
    errors: [
      'InvalidParameter',
      'InvalidParameter.NotFound',
      'ImageCache.IncorrectStatus',
      'NoNeedUpdate',
      'IdempotentParameterMismatch',
      'LastTokenProcessing',
    ],
    params: {
      RegionId: REGION_ID,
      ImageCacheId: { type: 'string', required: true, maxLength: 128, doc: 'Id of the image cache.' },
      ImageCacheName: { type: 'string', doc: 'New name.', example: 'testcache' },
      Image: {
        ...IMAGES,
        doc: 'References of the images; they are pulled again, also when they are the same. The old content is served until the new is Ready.',
      },
      ImageCacheSize: IMAGE_CACHE_SIZE,
      RetentionDays: RETENTION_DAYS,
      ImageRegistryCredential: IMAGE_REGISTRY_CREDENTIAL,
      AcrRegistryInfo: ACR_REGISTRY_INFO,
      Tag: { ...TAGS, doc: 'Tags of the image cache; they replace those it has.' },
      ResourceGroupId: RESOURCE_GROUP_ID,
      EliminationStrategy: ELIMINATION_STRATEGY,
      ClientToken: CLIENT_TOKEN,
      ...WITHOUT_EFFECT,
    },
    async run(params, context) {
      if (params.ImageCacheName !== undefined) checkName(params.ImageCacheName);
      checkImages(params.Image);
      checkVSwitches(params.VSwitchId);
      const update: CacheUpdate = {
        ...(params.ImageCacheName === undefined ? {} : { name: params.ImageCacheName }),
        ...(params.ImageCacheSize === undefined
          ? {}
          : { sizeGib: effectiveSizeGib(params.ImageCacheSize, services.minImageCacheSizeGib) }),
        ...(params.RetentionDays === undefined ? {} : { retentionDays: params.RetentionDays }),
        ...(params.ResourceGroupId === undefined ? {} : { resourceGroupId: params.ResourceGroupId }),
        ...(params.EliminationStrategy === undefined ? {} : { eliminationStrategy: params.EliminationStrategy }),
        ...(params.Tag.length === 0 ? {} : { tags: readTags(params.Tag) }),
        ...(params.Image.length === 0 ? {} : { images: params.Image }),
      };
      // The last login for a registry counts: that of the caller goes before what the configuration has.
      const credentials = [
        ...acrLogins(params.AcrRegistryInfo, services.acrInstances),
        ...readLogins(params.ImageRegistryCredential),
      ];
      const buildId = newId('eci', services.randomBytes);
      const { nowMs } = context;

      function decide(cache: ImageCache): CacheChange {
        const plan = planUpdate(cache, update, { nowMs, buildId });
        if (plan.kind === 'wrong-status') throw apiError('ImageCache.IncorrectStatus', { Text: wrongStatus(cache) });
        if (plan.kind === 'unchanged') throw apiError('NoNeedUpdate');
        if (plan.kind === 'expired') {
          const Reason = 'counted from its creation, the image cache would have expired already';
          throw apiError('InvalidParameter', { Param: 'RetentionDays', Reason });
        }
        if (!plan.rebuild) return { cache: plan.cache };
        const options = { ...cache.registries, credentials };
        return { cache: plan.cache, build: { id: buildId, images: params.Image, options } };
      }

      return runOnce({ services, context, params }, {}, async (completion) => {
        await services.store.caches.change(context, [params.ImageCacheId], decide, { nowMs, ...completion });
        services.wakeWorker();
      });
    },
  });

function wrongStatus({ id, status }: ImageCache): string {
  return `The image cache ${id} is ${status}; it can be updated when it is Ready or UpdateFailed.`;
}
