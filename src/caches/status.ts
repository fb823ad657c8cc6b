/** The states of an image cache; deletion and expiry make the cache vanish, there is no state for them. */
export type CacheStatus = 'Preparing' | 'Creating' | 'Ready' | 'Failed' | 'Updating' | 'UpdateFailed';

/** The state a new cache starts in. */
export const INITIAL_STATUS: CacheStatus = 'Preparing';

/** State → the states that may follow. Preparing pulls the images, Creating publishes the snapshot, Updating does both in place. */
export const TRANSITIONS: Readonly<Record<CacheStatus, readonly CacheStatus[]>> = {
  Preparing: ['Creating', 'Failed'],
  Creating: ['Ready', 'Failed'],
  Ready: ['Updating'],
  Failed: [],
  Updating: ['Ready', 'UpdateFailed'],
  UpdateFailed: ['Updating'],
};

export function canMove(from: CacheStatus, to: CacheStatus): boolean {
  return TRANSITIONS[from].includes(to);
}

/** How a failed build leaves the cache: a failed update keeps the old content, so the cache is not `Failed`. */
export function statusAfterFailure(from: CacheStatus): 'Failed' | 'UpdateFailed' {
  return from === 'Updating' ? 'UpdateFailed' : 'Failed';
}
