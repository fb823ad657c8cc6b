import { type ActionTable, actionTable } from '../rpc/index.ts';
import { createImageCache } from './create-image-cache.ts';
import { deleteImageCache } from './delete-image-cache.ts';
import { describeEndpoints } from './describe-endpoints.ts';
import { describeImageCaches } from './describe-image-caches.ts';
import { describeRegions } from './describe-regions.ts';
import { listTagResources } from './list-tag-resources.ts';
import { listUsage } from './list-usage.ts';
import type { ApiServices } from './services.ts';
import { tagResources } from './tag-resources.ts';
import { untagResources } from './untag-resources.ts';
import { updateImageCache } from './update-image-cache.ts';

/** Every action that is answered; dispatch, documentation and the conformance suite are made from it. */
export function createActions(services: ApiServices): ActionTable {
  return actionTable([
    createImageCache(services),
    describeImageCaches(services),
    updateImageCache(services),
    deleteImageCache(services),
    tagResources(services),
    untagResources(services),
    listTagResources(services),
    listUsage(services),
    describeRegions(services),
    describeEndpoints(),
  ]);
}
