import type { MatchEntry, MatchPosition, MatchQuery, MatchResult } from '../../src/caches/index.ts';
import { formatReference, type ImageReference, parseReference } from '../../src/oci/index.ts';

type Scored = MatchPosition & { images: readonly string[] };

/** What a match index must answer, by looking at every cache: the obvious way, and far too slow. */
export function slowMatch(entries: readonly MatchEntry[], query: MatchQuery, maxCounted: number): MatchResult {
  const requested = new Map<string, ImageReference | undefined>();
  for (const image of query.images) {
    const reference = parse(image);
    requested.set(reference === undefined ? image : formatReference(reference), reference);
  }
  const minFull = Math.max(query.matchCount ?? 0, query.fullMatch === true ? requested.size : 0);
  const scored: Scored[] = entries.map((entry) => {
    const held = entry.images.flatMap((image) => parse(image) ?? []);
    let [full, partial] = [0, 0];
    for (const wanted of requested.values()) {
      if (wanted === undefined) continue;
      if (held.some((image) => isFull(wanted, image))) full++;
      else if (held.some((image) => isSameRepository(wanted, image))) partial++;
    }
    return { ...entry, full, partial };
  });
  const matches = scored
    .filter((one) => one.full + one.partial > 0 && one.full >= minFull && query.accept?.(one.id) !== false)
    .toSorted(compare);
  const { after } = query;
  const left = after === undefined ? matches : matches.filter((one) => compare(one, after) > 0);
  const last = left[query.limit - 1];
  return {
    matches: left.slice(0, query.limit).map(({ id, full, partial }) => ({ id, full, partial })),
    ...(last !== undefined && left.length > query.limit ? { next: position(last) } : {}),
    total: Math.min(matches.length, maxCounted),
  };
}

export function position({ full, partial, sizeGib, createdAtMs, id }: MatchPosition): MatchPosition {
  return { full, partial, sizeGib, createdAtMs, id };
}

function compare(a: MatchPosition, b: MatchPosition): number {
  return (
    b.full - a.full ||
    b.partial - a.partial ||
    a.sizeGib - b.sizeGib ||
    b.createdAtMs - a.createdAtMs ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}

function isSameRepository(a: ImageReference, b: ImageReference): boolean {
  return a.registry === b.registry && a.repository === b.repository;
}

function isFull(wanted: ImageReference, held: ImageReference): boolean {
  if (!isSameRepository(wanted, held)) return false;
  if (wanted.digest !== undefined && wanted.digest !== held.digest) return false;
  return wanted.tag === undefined || wanted.tag === held.tag;
}

function parse(image: string): ImageReference | undefined {
  try {
    return parseReference(image);
  } catch {
    return undefined;
  }
}
