/** What may come of changes of one image cache that are made at the same time: what some order of them makes of it. */

/** Of a cache, what such changes touch; `wanted` is the image that a build under way brings. */
export type Raced = { name: string; tag: string; image: string; wanted?: string | undefined };

export type Change =
  | { kind: 'delete' }
  | { kind: 'rename'; name: string }
  | { kind: 'tag'; tag: string }
  | { kind: 'update'; image: string };

export type Attempt = { change: Change; isDone: boolean };

/** A cache after all attempts, in any order in which each ends as it did; undefined where it is deleted. `missing` can't be pulled. */
export function outcomes(before: Raced, attempts: readonly Attempt[], missing: string): (Raced | undefined)[] {
  const found: (Raced | undefined)[] = [];
  const visit = (cache: Raced | undefined, left: readonly Attempt[]): void => {
    if (left.length === 0) found.push(cache);
    for (const [index, attempt] of left.entries()) {
      if (!mayEnd(cache, attempt)) continue;
      visit(attempt.isDone && cache ? changed(cache, attempt.change, missing) : cache, left.toSpliced(index, 1));
    }
  };
  visit(before, attempts);
  return found;
}

/** A cache that is there can be deleted and tagged; while a build may work on it, other changes may be refused. */
function mayEnd(cache: Raced | undefined, { change, isDone }: Attempt): boolean {
  if (cache === undefined) return !isDone;
  const mayBeRefused = cache.wanted !== undefined && (change.kind === 'rename' || change.kind === 'update');
  return isDone || mayBeRefused;
}

function changed(cache: Raced, change: Change, missing: string): Raced | undefined {
  switch (change.kind) {
    case 'delete':
      return undefined;
    case 'rename':
      return { ...cache, name: change.name };
    case 'tag':
      return { ...cache, tag: change.tag };
    case 'update': {
      // It was let in because the build before it had ended.
      const { wanted = missing } = cache;
      return { ...cache, image: wanted === missing ? cache.image : wanted, wanted: change.image };
    }
  }
}
