import { defineAction } from '../rpc/index.ts';
import { REGION_ID } from './common-params.ts';
import type { ApiServices } from './services.ts';

const NONE = 'This service has none.';

/** ListUsage: quota and use of an account in a region; what this service has none of is 0. */
export const listUsage = (services: ApiServices) =>
  defineAction({
    name: 'ListUsage',
    summary: 'Shows how many image caches there are and may be.',
    ramAction: 'eci:ListUsage',
    params: { RegionId: REGION_ID },
    result: {
      Attributes: {
        type: 'object',
        doc: 'Quota and use.',
        fields: {
          MaxImageCacheCount: {
            type: 'integer',
            doc: 'Image caches that the account may have in the region.',
            example: 500,
          },
          UsedImageCacheCount: { type: 'integer', doc: 'Image caches that it has there.', example: 12 },
          MaxAutoImageCacheCount: { type: 'integer', doc: NONE, example: 0 },
          UsedAutoImageCacheCount: { type: 'integer', doc: NONE, example: 0 },
          MaxDataCacheCount: { type: 'integer', doc: NONE, example: 0 },
          UsedDataCacheCount: { type: 'integer', doc: NONE, example: 0 },
          MaxCpu: { type: 'integer', doc: NONE, example: 0 },
          UsedCpu: { type: 'integer', doc: NONE, example: 0 },
        },
      },
    },
    async run(_params, { accountId, regionId }) {
      return {
        Attributes: {
          MaxImageCacheCount: await services.maxImageCaches(accountId),
          UsedImageCacheCount: await services.store.caches.count({ accountId, regionId }),
          MaxAutoImageCacheCount: 0,
          UsedAutoImageCacheCount: 0,
          MaxDataCacheCount: 0,
          UsedDataCacheCount: 0,
          MaxCpu: 0,
          UsedCpu: 0,
        },
      };
    },
  });
