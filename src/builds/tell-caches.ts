import { setImmediate } from 'node:timers/promises';
import type { CacheEventInput } from '../caches/index.ts';
import type { BuildServices } from './services.ts';

/** So many rows are written in one transaction; between two, others have their turn. */
const BATCH = 100;

/** Adds an event to each of the caches. */
export async function tellCaches(
  { store, clock }: Pick<BuildServices, 'store' | 'clock'>,
  users: readonly { imageCacheId: string }[],
  event: CacheEventInput,
): Promise<void> {
  const ids = [...new Set(users.map((user) => user.imageCacheId))];
  for (let at = 0; at < ids.length; at += BATCH) {
    await store.health.addEvent(ids.slice(at, at + BATCH), event, clock.now());
    await setImmediate();
  }
}
