import { defineAction } from '../rpc/index.ts';
import { CLIENT_TOKEN, REGION_ID } from './common-params.ts';
import { notFound, runOnce } from './run-once.ts';
import type { ApiServices } from './services.ts';

/** DeleteImageCache: in any state, a build under way is cancelled; containers that run from the cache are not touched. */
export const deleteImageCache = (services: ApiServices) =>
  defineAction({
    name: 'DeleteImageCache',
    summary: 'Deletes an image cache.',
    ramAction: 'eci:DeleteImageCache',
    ramResource: 'imagecache/{ImageCacheId}',
    errors: ['InvalidParameter.NotFound', 'IdempotentParameterMismatch', 'LastTokenProcessing'],
    params: {
      RegionId: REGION_ID,
      ImageCacheId: { type: 'string', required: true, maxLength: 128, doc: 'Id of the image cache.' },
      ClientToken: CLIENT_TOKEN,
    },
    async run(params, context) {
      const key = { accountId: context.accountId, regionId: context.regionId, id: params.ImageCacheId };
      return runOnce({ services, context, params }, {}, async (completion) => {
        if (!(await services.store.caches.delete(key, completion))) throw notFound(params.ImageCacheId);
        services.wakeWorker();
      });
    },
  });
