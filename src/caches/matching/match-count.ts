import { BLOCK_BITS, BLOCK_WORDS } from './match-blocks.ts';
import type { ScanContext } from './match-context.ts';
import type { Wanted } from './match-goal.ts';
import type { QueryList } from './match-lists.ts';
import { lowestOrdinal, type Postings } from './match-postings.ts';

/**
 * How many caches match where one hit makes a match, so that every cache of a list is one, counted up to `most`; when there are
 * fewer, `ordinals` are all of them.
 */
export function countHits(
  context: ScanContext,
  wanted: Wanted,
  most: number,
): { total: number; ordinals: readonly number[] } {
  const { data, lists } = context;
  const counting: [Postings, QueryList][] = [...lists.sparseTerms, ...lists.denseTerms].map((list) => [
    data.termPostings,
    list,
  ]);
  if (lists.minFull === 0) {
    for (const list of [...lists.sparseRepositories, ...lists.denseRepositories]) {
      counting.push([data.repositoryPostings, list]);
    }
  }
  if (wanted.accept === undefined && counting.some(([, list]) => list.count >= most)) {
    return { total: most, ordinals: [] };
  }
  return walk(context, counting, wanted, most);
}

function walk(
  { data, scorer }: ScanContext,
  counting: readonly [Postings, QueryList][],
  { accept }: Wanted,
  most: number,
): { total: number; ordinals: readonly number[] } {
  const ordinals: number[] = [];
  const take = (ordinal: number): void => {
    if (ordinals.length >= most || scorer.wasSeen(ordinal)) return;
    scorer.see(ordinal);
    if (accept === undefined || accept(data.blocks.key(ordinal).id)) ordinals.push(ordinal);
  };
  for (const [postings, list] of counting) {
    const bitmap = postings.bitmap(list.number);
    if (bitmap === undefined) {
      const page = postings.lists.page(list.number);
      const offset = postings.lists.offset(list.number);
      for (let index = 0; index < list.count && ordinals.length < most; index++) take(page[offset + index] ?? 0);
      continue;
    }
    for (const number of data.blocks.numbers()) {
      if (ordinals.length >= most) break;
      const first = number << (BLOCK_BITS - 5);
      for (let word = first; word < first + BLOCK_WORDS; word++) {
        for (let rest = bitmap.word(word); rest !== 0; rest &= rest - 1) take(lowestOrdinal(word, rest));
      }
    }
  }
  return { total: ordinals.length, ordinals };
}
