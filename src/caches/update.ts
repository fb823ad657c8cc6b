import type { ImageCache, Tag } from './image-cache.ts';
import { expiry } from './retention.ts';
import { type CacheStatus, canMove } from './status.ts';

/** What UpdateImageCache may change; what is absent stays. */
export type CacheUpdate = {
  readonly name?: string;
  readonly sizeGib?: number;
  readonly retentionDays?: number;
  readonly resourceGroupId?: string;
  readonly eliminationStrategy?: '' | 'LRU';
  /** Replaces all tags. */
  readonly tags?: readonly Tag[];
  /** Pulls these again, also when they are the same. */
  readonly images?: readonly string[];
};

export type UpdatePlan =
  /** `rebuild`: the images are to be pulled; otherwise only the description of the cache changes. */
  | { readonly kind: 'change'; readonly cache: ImageCache; readonly rebuild: boolean }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'wrong-status' }
  /** Counted from its creation, the new retention is over already. */
  | { readonly kind: 'expired' };

/**
 * What an update makes of a cache at `nowMs`. A cache that is rebuilt is `Updating` and shows its old images and snapshot
 * until the new ones are there; the build `buildId` makes them.
 */
export function planUpdate(
  cache: ImageCache,
  update: CacheUpdate,
  { nowMs, buildId }: { nowMs: number; buildId: string },
): UpdatePlan {
  if (!canUpdate(cache.status)) return { kind: 'wrong-status' };
  const { images, retentionDays, ...rest } = update;
  const described = { ...cache, ...rest, ...retention(cache, retentionDays) };
  if (described.expiresAtMs !== cache.expiresAtMs && (described.expiresAtMs ?? Number.POSITIVE_INFINITY) <= nowMs) {
    return { kind: 'expired' };
  }
  if (images) {
    const rebuilt = { ...described, status: 'Updating', progressPercent: 0, containerGroupId: buildId } as const;
    return { kind: 'change', cache: rebuilt, rebuild: true };
  }
  const isSame = JSON.stringify(described) === JSON.stringify(cache);
  return isSame ? { kind: 'unchanged' } : { kind: 'change', cache: described, rebuild: false };
}

/** Ready and UpdateFailed: where there is content to go on serving. */
export function canUpdate(status: CacheStatus): boolean {
  return canMove(status, 'Updating');
}

function retention(cache: ImageCache, retentionDays: number | undefined): Partial<ImageCache> {
  if (retentionDays === undefined) return {};
  const expiresAtMs = expiry(cache.createdAtMs, retentionDays);
  return { retentionDays, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
}
