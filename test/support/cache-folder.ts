import { join } from 'node:path';

/** Where test images are kept between runs: LARDER_TEST_CACHE, else `.cache` in the checkout. */
export function cacheFolder(): string {
  return process.env.LARDER_TEST_CACHE ?? join(import.meta.dirname, '../../.cache');
}
