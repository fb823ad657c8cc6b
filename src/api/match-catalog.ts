import { createMatchIndex, type MatchQuery, type MatchResult } from '../caches/index.ts';
import type { CacheFeed } from '../store/ports.ts';
export type MatchCatalog = { find(accountId: string, regionId: string, query: MatchQuery): Promise<MatchResult> };
export function createMatchCatalog(feed: CacheFeed, _options: { pause: () => Promise<unknown> }): MatchCatalog {
  return {
    async find(accountId, regionId, query) {
      const index = createMatchIndex();
      const { entries } = await feed.changes({ accountId, regionId }, { after: 0, began: 0, limit: 1e6 });
      for (const entry of entries) if (entry.status === 'Ready') index.put(entry);
      return index.find(query);
    },
  };
}
