import { MAX_TAGGED_RESOURCES } from '../caches/index.ts';
import { apiError } from '../rpc/index.ts';

/** The one kind of resource that there is here. */
export const IMAGE_CACHE_TYPE = 'ImageCache';
/** Other kinds of the vendor's service, known by name only. */
const OTHER_TYPES = new Set(['ContainerGroup', 'DataCache', 'VirtualNode']);

export const RESOURCE_TYPE = {
  type: 'string',
  required: true,
  maxLength: 64,
  doc: 'Kind of the resources: ImageCache.',
  example: IMAGE_CACHE_TYPE,
} as const;

export const RESOURCE_IDS = {
  type: 'strings',
  maxItems: MAX_TAGGED_RESOURCES,
  maxLength: 128,
  doc: 'Ids of the image caches.',
  example: 'imc-2zebxkiifuyzzlhl0000',
} as const;

/** Throws InvalidParameter, saying whether the kind is unknown or just not of this service. */
export function checkResourceType(type: string): void {
  if (type === IMAGE_CACHE_TYPE) return;
  const Reason = OTHER_TYPES.has(type) ? 'this service has image caches only' : `it must be ${IMAGE_CACHE_TYPE}`;
  throw apiError('InvalidParameter', { Param: 'ResourceType', Reason });
}
