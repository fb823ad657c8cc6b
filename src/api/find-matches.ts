import { type ActionContext, rawJson } from '../rpc/index.ts';
import type { CacheFilter } from '../store/ports.ts';
import { foreignToken, formatMatchToken, parseMatchToken } from './page-token.ts';
import type { ApiServices, MatchCounts } from './services.ts';

export type Page = { limit: number; token: string | undefined };
export type MatchRequest = { images: readonly string[]; fullMatch: boolean; matchCount: number | undefined };

/**
 * DescribeImageCaches with MatchImage: the best match first. The cache that a node would take, the first one if it holds
 * some image fully, counts as used now, which feeds LastMatchedTime and the elimination of the least recently used.
 */
export async function findMatches(
  services: ApiServices,
  query: { filter: CacheFilter; request: MatchRequest; page: Page; context: ActionContext },
) {
  const { filter, request, page, context } = query;
  const { accountId, regionId } = filter;
  const after = page.token === undefined ? undefined : parseMatchToken(page.token);
  if (after === null) throw foreignToken();
  const accepted = hasFurther(filter) ? await services.store.caches.ids(filter) : undefined;
  const found = await services.matches.find(accountId, regionId, {
    images: request.images,
    fullMatch: request.fullMatch,
    limit: page.limit,
    ...(request.matchCount === undefined ? {} : { matchCount: request.matchCount }),
    ...(after === undefined ? {} : { after }),
    ...(accepted === undefined ? {} : { accept: (id: string) => accepted.has(id) }),
  });
  const [best] = found.matches;
  if (best && best.full > 0 && after === undefined)
    services.recorder.record({ accountId, regionId }, best.id, context.nowMs);
  if (after === undefined) services.onMatches?.(countMatches(new Set(request.images).size, best));
  const ids = found.matches.map(({ id }) => id);
  return {
    ImageCaches: rawJson(await services.store.caches.views({ accountId, regionId }, ids)),
    NextToken: found.next === undefined ? '' : formatMatchToken(found.next),
    TotalCount: found.total,
  };
}

function countMatches(images: number, best: { full: number; partial: number } | undefined): MatchCounts {
  const { full: hit, partial } = best ?? { full: 0, partial: 0 };
  // Two spellings of one image count once in the index.
  return { hit, partial, miss: Math.max(0, images - hit - partial) };
}

function hasFurther({ accountId: _account, regionId: _region, ...others }: CacheFilter): boolean {
  return Object.keys(others).length > 0;
}
