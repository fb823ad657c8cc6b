import {
  effectiveSizeGib,
  expiry,
  type ImageCache,
  INITIAL_STATUS,
  MAX_ACR_REGISTRIES,
  MAX_CREDENTIALS,
  MAX_IMAGES,
  MAX_RETENTION_DAYS,
  MAX_SIZE_GIB,
  MIN_RETENTION_DAYS,
  nameProblem,
  tagsProblem,
} from '../caches/index.ts';
import { describeError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { parseReference } from '../oci/index.ts';
import { apiError, defineAction } from '../rpc/index.ts';
import { CLIENT_TOKEN, REGION_ID, RESOURCE_GROUP_ID, TAGS } from './common-params.ts';
import type { ApiServices } from './services.ts';

const MAX_REFERENCE_LENGTH = 512;
const DEFAULT_RESOURCE_GROUP = 'rg-default';
const ELSEWHERE = 'Names something of the vendor’s cloud; accepted and without effect here.';

/** CreateImageCache: records the cache and queues its build; answers at once (clients give up after 3 s). */
export const createImageCache = (services: ApiServices) =>
  defineAction({
    name: 'CreateImageCache',
    summary: 'Creates an image cache from 1 to 20 images.',
    ramAction: 'eci:CreateImageCache',
    ramResource: 'imagecache/*',
    params: {
      RegionId: REGION_ID,
      ImageCacheName: { type: 'string', required: true, doc: 'Name; need not be unique.', example: 'testcache' },
      Image: {
        type: 'strings',
        required: true,
        maxItems: MAX_IMAGES,
        maxLength: MAX_REFERENCE_LENGTH,
        doc: 'References of the images, answered exactly as given.',
      },
      ImageCacheSize: {
        type: 'integer',
        min: 1,
        max: MAX_SIZE_GIB,
        doc: 'Size in GiB; smaller than the minimum is raised to it. Images that take more space fail the cache.',
        example: '20',
      },
      RetentionDays: {
        type: 'integer',
        min: MIN_RETENTION_DAYS,
        max: MAX_RETENTION_DAYS,
        doc: 'Days from creation until the cache is deleted; for ever when absent.',
      },
      ImageRegistryCredential: {
        type: 'objects',
        maxItems: MAX_CREDENTIALS,
        doc: 'Logins of registries.',
        fields: {
          Server: { type: 'string', required: true, maxLength: 255, doc: 'host or host:port, without a scheme.' },
          UserName: { type: 'string', required: true, maxLength: 1024, doc: 'User name.' },
          Password: { type: 'string', required: true, maxLength: 16_384, doc: 'Password or token.' },
        },
      },
      PlainHttpRegistry: {
        type: 'string',
        maxLength: 4096,
        doc: 'Registries spoken to over http: host[:port], comma separated.',
      },
      InsecureRegistry: {
        type: 'string',
        maxLength: 4096,
        doc: 'Registries whose certificate is not verified, comma separated.',
      },
      Tag: TAGS,
      ResourceGroupId: RESOURCE_GROUP_ID,
      EliminationStrategy: { type: 'string', values: ['LRU'], doc: 'LRU: may be removed when the quota is reached.' },
      AutoMatchImageCache: { type: 'boolean', doc: 'Reuse of layers of other caches; always on here.' },
      ClientToken: CLIENT_TOKEN,
      Flash: { type: 'boolean', ignored: true, doc: 'Instant cache; every cache is one here.' },
      StandardCopyCount: { type: 'integer', min: 1, ignored: true, doc: ELSEWHERE },
      FlashCopyCount: { type: 'integer', min: 1, ignored: true, doc: ELSEWHERE },
      ZoneId: { type: 'string', ignored: true, doc: ELSEWHERE },
      SecurityGroupId: { type: 'string', ignored: true, doc: ELSEWHERE },
      VSwitchId: { type: 'string', ignored: true, doc: ELSEWHERE },
      EipInstanceId: { type: 'string', ignored: true, doc: ELSEWHERE },
      OsType: { type: 'string', values: ['Linux'], doc: 'Linux.' },
      Annotations: { type: 'string', hidden: true, ignored: true, doc: ELSEWHERE },
      AcrRegistryInfo: {
        type: 'objects',
        maxItems: MAX_ACR_REGISTRIES,
        ignored: true,
        doc: ELSEWHERE,
        fields: { InstanceId: { type: 'string', doc: 'Instance of the vendor’s registry.' } },
      },
    },
    result: {
      ImageCacheId: { type: 'string', doc: 'Id of the image cache.', example: 'imc-2zebxkiifuyzzlhl0000' },
      ContainerGroupId: { type: 'string', doc: 'Id of the build.', example: 'eci-2zebxkiifuyzzlhl0000' },
    },
    async run(params, context) {
      const nameError = nameProblem(params.ImageCacheName);
      if (nameError !== undefined) throw apiError('InvalidParameter', { Param: 'ImageCacheName', Reason: nameError });
      params.Image.forEach(checkReference);
      const tags = params.Tag.map((tag) => ({ key: tag.Key ?? '', value: tag.Value ?? '' }));
      const tagError = tagsProblem(tags);
      if (tagError !== undefined) throw apiError('InvalidParameter', { Param: 'Tag', Reason: tagError });

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
        resourceGroupId: params.ResourceGroupId ?? DEFAULT_RESOURCE_GROUP,
        eliminationStrategy: params.EliminationStrategy ?? '',
        registries,
        tags,
        events: [],
        ...(params.RetentionDays === undefined ? {} : { retentionDays: params.RetentionDays }),
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      };
      const options = {
        ...registries,
        credentials: params.ImageRegistryCredential.map((login) => ({
          server: login.Server,
          username: login.UserName,
          password: login.Password,
        })),
      };
      await services.store.caches.create(cache, { id: buildId, options });
      services.wakeWorker();
      return { ImageCacheId: cache.id, ContainerGroupId: buildId };
    },
  });

function checkReference(text: string, index: number): void {
  try {
    parseReference(text);
  } catch (error) {
    throw apiError('InvalidParameter', { Param: `Image.${index + 1}`, Reason: describeError(error) });
  }
}

/** `a:5000,b` as a list; the vendor's own sample wraps it in literal double quotes, and some users send a scheme. */
function registryList(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.replace(/["'\s]/g, '').replace(/^https?:\/\//, ''))
    .filter((part) => part !== '');
}
