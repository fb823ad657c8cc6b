import type { CacheView } from './ports.ts';

/** For whoever reads no views; what it writes is stale to all others. */
export const PLAIN_VIEW: CacheView = {
  version: -1,
  render: (cache) => JSON.stringify(cache),
  complete: (view) => view,
};
