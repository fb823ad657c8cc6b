import { DEFAULT_RESOURCE_GROUP_ID } from '../accounts/index.ts';
import { effectiveSizeGib, expiry, type ImageCache, INITIAL_STATUS } from '../caches/index.ts';
import { newId } from '../lib/ids.ts';
import { defineAction } from '../rpc/index.ts';
import { ACR_REGISTRY_INFO, acrLogins } from './acr-registries.ts';
import { checkImages, checkName, checkVSwitches, readLogins, readTags, registryList } from './checks.ts';
import {
  CLIENT_TOKEN,
  ELIMINATION_STRATEGY,
  ELSEWHERE,
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

/** CreateImageCache: records the cache and queues its build; answers at once (clients give up after 3 s). */
export const createImageCache = (services: ApiServices) =>
  defineAction({
    name: 'CreateImageCache',
    summary: 'Creates an image cache from 1 to 20 images.',
    ramAction: 'eci:CreateImageCache',
    ramResource: 'imagecache/*',
    errors: [
      'InvalidParameter',
      'InvalidParameter.NotFound',
      'QuotaExceeded',
      'Throttling.User',
      'IdempotentParameterMismatch',
      'LastTokenProcessing',
    ],
    params: {
      RegionId: REGION_ID,
      ImageCacheName: { type: 'string', required: true, doc: 'Name; need not be unique.', example: 'testcache' },
      Image: { ...IMAGES, required: true },
      ImageCacheSize: IMAGE_CACHE_SIZE,
      RetentionDays: RETENTION_DAYS,
      ImageRegistryCredential: IMAGE_REGISTRY_CREDENTIAL,
      AcrRegistryInfo: ACR_REGISTRY_INFO,
      PlainHttpRegistry: {
        type: 'string',
        maxLength: 4096,
        doc: 'Registries spoken to over http: host[:port], comma separated.',
        example: '192.168.0.10:5000',
      },
      InsecureRegistry: {
        type: 'string',
        maxLength: 4096,
        doc: 'Registries whose certificate is not verified, comma separated.',
        example: 'harbor.example.com',
      },
      Tag: TAGS,
      ResourceGroupId: RESOURCE_GROUP_ID,
      EliminationStrategy: ELIMINATION_STRATEGY,
      ClientToken: CLIENT_TOKEN,
      ...WITHOUT_EFFECT,
      OsType: { type: 'string', values: ['Linux'], doc: 'Operating system of the images.', default: 'Linux' },
      ZoneId: { type: 'string', maxLength: 128, ignored: true, doc: ELSEWHERE },
      Annotations: { type: 'string', maxLength: 4096, hidden: true, ignored: true, doc: ELSEWHERE },
    },
    result: {
      ImageCacheId: { type: 'string', doc: 'Id of the image cache.', example: 'imc-2zebxkiifuyzzlhl0000' },
      ContainerGroupId: { type: 'string', doc: 'Id of the build.', example: 'eci-2zebxkiifuyzzlhl0000' },
    },
    async run(params, context) {
      checkName(params.ImageCacheName);
      checkImages(params.Image);
      const tags = readTags(params.Tag);
      checkVSwitches(params.VSwitchId);
      // The last login for a registry counts: that of the caller goes before what the configuration has.
      const credentials = [
        ...acrLogins(params.AcrRegistryInfo, services.acrInstances),
        ...readLogins(params.ImageRegistryCredential),
      ];
      const registries = {
        plainHttpRegistries: registryList(params.PlainHttpRegistry),
        insecureRegistries: registryList(params.InsecureRegistry),
      };
      const buildId = newId('eci', services.randomBytes);
      const expiresAtMs = expiry(context.nowMs, params.RetentionDays);
      const cache: ImageCache = {
        id: newId('imc', services.randomBytes),
        accountId: context.accountId,
        regionId: context.regionId,
        name: params.ImageCacheName,
        images: params.Image,
        status: INITIAL_STATUS,
        progressPercent: 0,
        sizeGib: effectiveSizeGib(params.ImageCacheSize, services.minImageCacheSizeGib),
        createdAtMs: context.nowMs,
        containerGroupId: buildId,
        resourceGroupId: params.ResourceGroupId ?? DEFAULT_RESOURCE_GROUP_ID,
        eliminationStrategy: params.EliminationStrategy ?? '',
        registries,
        tags,
        events: [],
        ...(params.RetentionDays === undefined ? {} : { retentionDays: params.RetentionDays }),
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      };
      const result = { ImageCacheId: cache.id, ContainerGroupId: buildId };
      return runOnce({ services, context, params }, result, async (completion) => {
        const maxCaches = await services.maxImageCaches(context.accountId);
        const build = { id: buildId, options: { ...registries, credentials } };
        // What was matched a moment ago is not the least recently used.
        await services.recorder.flush();
        await services.store.caches.create(cache, build, { maxCaches, ...completion });
        services.wakeWorker();
      });
    },
  });
