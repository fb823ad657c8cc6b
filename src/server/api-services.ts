import { setImmediate } from 'node:timers/promises';
import { type ApiServices, createMatchCatalog } from '../api/index.ts';
import { readAcrInstances, type ServerConfig } from '../config/index.ts';
import { describeError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { Store } from '../store/index.ts';
import type { AccountDirectory } from './account-directory.ts';

/** What the actions work with, from the configuration and the store. */
export async function createApiServices(
  config: ServerConfig,
  parts: Pick<ApiServices, 'randomBytes' | 'wakeWorker' | 'recorder' | 'onMatches'> & {
    store: Store;
    directory: AccountDirectory;
    /** Ends what goes on between calls. */
    stopping: AbortSignal;
  },
): Promise<ApiServices> {
  const { store, directory, stopping, ...rest } = parts;
  return {
    ...rest,
    store,
    matches: createMatchCatalog(store.caches.feed, { pause: () => setImmediate(undefined, { signal: stopping }) }),
    regionId: config.regionId,
    minImageCacheSizeGib: config.minImageCacheSizeGib,
    maxImageCaches: async (accountId) => (await directory.account(accountId))?.maxImageCaches ?? config.maxImageCaches,
    acrInstances: await readAcrInstances(config.acrInstancesPath),
  };
}

/** Builds the indexes that matching needs, so that the first query after a start does not wait for them. */
export async function warmMatches(
  { matches }: Pick<ApiServices, 'matches'>,
  { store, log, stopping }: { store: Store; log: Logger; stopping: AbortSignal },
): Promise<void> {
  try {
    await matches.warm(await store.caches.scopes());
  } catch (error) {
    // The first query builds what is missing, or fails with the same error.
    if (!stopping.aborted) log.warn({ err: describeError(error) }, 'cannot prepare the matching of images');
  }
}
