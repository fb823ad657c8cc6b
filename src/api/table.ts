import { type ActionTable, actionTable } from '../rpc/index.ts';
import { createImageCache } from './create-image-cache.ts';
import { deleteImageCache } from './delete-image-cache.ts';
import { describeImageCaches } from './describe-image-caches.ts';
import type { ApiServices } from './services.ts';

/**
 * Every action that is answered; dispatch, and later documentation and conformance tests, are made from it.
 * Still to come, in this place: UpdateImageCache, TagResources, UntagResources, ListTagResources, ListUsage,
 * DescribeRegions, DescribeEndpoints. Until then they answer InvalidApi.NotFound.
 */
export function createActions(services: ApiServices): ActionTable {
  return actionTable([createImageCache(services), describeImageCaches(services), deleteImageCache(services)]);
}
