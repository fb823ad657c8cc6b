import { setImmediate } from 'node:timers/promises';
import { type ApiServices, createMatchCatalog, createMatchRecorder } from '../api/index.ts';
import { readAcrInstances, type ServerConfig } from '../config/index.ts';
import { describeError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { Store } from '../store/index.ts';

/** What the actions work with, from the configuration and the store. */
export async function createApiServices(
  config: ServerConfig,
  parts: Pick<ApiServices, 'clock' | 'randomBytes' | 'wakeWorker'> & { store: Store; log: Logger },
): Promise<ApiServices> {
  const { store, log, ...rest } = parts;
  return {
    ...rest,
    store,
    matches: createMatchCatalog(store.caches.feed, { pause: () => setImmediate() }),
    matched: createMatchRecorder(store.caches, (error) =>
      log.error({ err: describeError(error) }, 'cannot record that a cache was matched'),
    ),
    regionId: config.regionId,
    minImageCacheSizeGib: config.minImageCacheSizeGib,
    maxImageCaches: async (accountId) => (await store.accounts.get(accountId))?.maxImageCaches ?? config.maxImageCaches,
    acrInstances: await readAcrInstances(config.acrInstancesPath),
  };
}
