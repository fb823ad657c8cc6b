import type { BuildServices } from './services.ts';

/** At most this many caches are deleted in one go; the rest go in the next. */
const EXPIRE_BATCH = 100;

/** Deletes the caches whose time has passed; their layers go with the next collection. */
export async function expireCaches(services: BuildServices, signal: AbortSignal): Promise<void> {
  const { store, clock, log } = services;
  const nowMs = clock.now();
  for (const { id, status } of await store.caches.expired(nowMs, EXPIRE_BATCH)) {
    signal.throwIfAborted();
    if (await store.caches.deleteExpired(id, nowMs)) log.info({ imageCache: id, status }, 'image cache expired');
  }
}
