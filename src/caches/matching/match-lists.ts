import { LarderError } from '../../lib/errors.ts';
import { MAX_MATCH_IMAGES } from '../limits.ts';
import type { MatchData } from './match-data.ts';
import type { Word } from './match-dictionary.ts';
import type { Bitmap } from './match-postings.ts';
import type { ImageTerms, TermReader } from './match-terms.ts';
import type { MatchQuery } from './match-types.ts';

/** A posting list of a query: of a term (weight 1), or of a repository (weight: how many requested images are of it). */
export type QueryList = { readonly number: number; readonly weight: number; readonly count: number };
export type DenseList = QueryList & { readonly bitmap: Bitmap };

/** A query as the lists to look through; each group has the shortest first, and only lists with caches in them. */
export type QueryLists = {
  readonly sparseTerms: readonly QueryList[];
  readonly denseTerms: readonly DenseList[];
  readonly sparseRepositories: readonly QueryList[];
  readonly denseRepositories: readonly DenseList[];
  /** How many images a cache must fully match; Infinity when none can. */
  readonly minFull: number;
};

export function queryLists(data: MatchData, query: MatchQuery, read: TermReader): QueryLists {
  const terms = new Map<string, ImageTerms>();
  let isUnmatchable = false;
  for (const image of query.images) {
    const found = read(image);
    if (found === null) isUnmatchable = true;
    else terms.set(found.held[0].text, found);
  }
  if (terms.size > MAX_MATCH_IMAGES) {
    throw new LarderError('caches.too-many-images', `more than ${MAX_MATCH_IMAGES} different images to match`);
  }
  const weights = new Map<string, { word: Word; weight: number }>();
  for (const { repository } of terms.values()) {
    const known = weights.get(repository.text);
    if (known === undefined) weights.set(repository.text, { word: repository, weight: 1 });
    else known.weight++;
  }

  const { termPostings, repositoryPostings } = data;
  const [sparseTerms, sparseRepositories]: [QueryList[], QueryList[]] = [[], []];
  const [denseTerms, denseRepositories]: [DenseList[], DenseList[]] = [[], []];
  for (const { held } of terms.values()) {
    const number = data.terms.find(held[0]);
    if (number === undefined) continue;
    const list = { number, weight: 1, count: termPostings.count(number) };
    const bitmap = termPostings.bitmap(number);
    if (bitmap === undefined) sparseTerms.push(list);
    else denseTerms.push({ ...list, bitmap });
  }
  for (const { word, weight } of weights.values()) {
    const number = data.repositories.find(word);
    if (number === undefined) continue;
    const list = { number, weight, count: repositoryPostings.count(number) };
    const bitmap = repositoryPostings.bitmap(number);
    if (bitmap === undefined) sparseRepositories.push(list);
    else denseRepositories.push({ ...list, bitmap });
  }
  const all = isUnmatchable ? Number.POSITIVE_INFINITY : terms.size;
  const minFull = Math.max(query.matchCount ?? 0, query.fullMatch === true ? all : 0);
  for (const lists of [sparseTerms, denseTerms, sparseRepositories, denseRepositories]) {
    lists.sort((a, b) => a.count - b.count);
  }
  return { sparseTerms, denseTerms, sparseRepositories, denseRepositories, minFull };
}

export function totalWeight(lists: readonly QueryList[]): number {
  return lists.reduce((sum, list) => sum + list.weight, 0);
}
