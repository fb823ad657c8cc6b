/** The limits of the image-cache API, in one place. Sources: CreateImageCache 2018-08-08 and the ECI image-cache guide. */
export const MAX_IMAGES = 20;
export const MAX_CREDENTIALS = 10;
export const MAX_ACR_REGISTRIES = 20;
export const MAX_ACR_DOMAINS = 100;
export const MAX_VSWITCHES = 10;
/** Copies of a snapshot; the vendor publishes no limit and advises one per 1,000 instances. */
export const MAX_COPIES = 100;
/** References of a MatchImage query. */
export const MAX_MATCH_IMAGES = 100;
/** Caches of one account in one region when neither the operator nor the account says otherwise; the vendor's newest figure. */
export const DEFAULT_MAX_IMAGE_CACHES = 500;
/** Resources of one tag call, as other services of the vendor have it. */
export const MAX_TAGGED_RESOURCES = 50;
export const MAX_TAGS = 20;
export const MAX_TAG_KEY_LENGTH = 128;
export const MAX_TAG_VALUE_LENGTH = 128;
export const MAX_NAME_LENGTH = 128;
/** The newest events of a cache that are kept. */
export const MAX_EVENTS = 50;

/** Size of a cache when the caller names none, and the least it can be: smaller requests are raised to it. Configuration may lower it. */
export const MIN_SIZE_GIB = 20;
export const MAX_SIZE_GIB = 32_768;

export const MIN_RETENTION_DAYS = 1;
export const MAX_RETENTION_DAYS = 65_536;
/** A failed cache stays this long so that its events can be read. */
export const FAILED_RETENTION_MS = 24 * 60 * 60 * 1000;

/** Callers that never page get this many; the documented maximum of Limit is not published, 100 is what other ECI lists take. */
export const DEFAULT_PAGE_SIZE = 20;
export const MAX_PAGE_SIZE = 100;

/** The size a cache gets for the size asked for (whole GiB, within MAX_SIZE_GIB). */
export function effectiveSizeGib(requestedGib: number | undefined, minSizeGib: number = MIN_SIZE_GIB): number {
  return Math.max(requestedGib ?? minSizeGib, minSizeGib);
}
