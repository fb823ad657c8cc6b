import type { BuildServices } from './services.ts';

/** At most this many caches are deleted in one go; the rest go in the next. */
const EXPIRE_BATCH = 100;

/**
 * Deletes the caches whose time has passed; their layers go with the next collection. Says how many, and when the next one's
 * time is over: in the past while there are more, undefined when none expires.
 */
export async function expireCaches(
  services: Pick<BuildServices, 'store' | 'clock' | 'log'>,
  signal: AbortSignal,
): Promise<{ deleted: number; nextMs: number | undefined }> {
  const { store, clock, log } = services;
  const nowMs = clock.now();
  let deleted = 0;
  for (const { id, status } of await store.caches.expired(nowMs, EXPIRE_BATCH)) {
    signal.throwIfAborted();
    if (!(await store.caches.deleteExpired(id, nowMs))) continue;
    deleted++;
    log.info({ imageCache: id, status }, 'image cache expired');
  }
  return { deleted, nextMs: await store.caches.nextExpiryMs() };
}
