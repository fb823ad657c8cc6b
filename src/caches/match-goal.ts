import { compareTieKeys, type TieKey } from './match-blocks.ts';
import type { MatchData } from './match-data.ts';
import type { MatchPosition } from './match-types.ts';

/**
 * What a search still wants: caches with more than `full` fully matched images; or as many, and more than `hits` of any; or as
 * many of both, in a block of at most `rank`. It only ever wants less.
 */
export type Goal = {
  readonly full: number;
  readonly hits: number;
  readonly rank: number;
  readonly isDone: boolean;
  /** Better matches than this are not wanted, nor as good ones in blocks before `rank`. */
  readonly ceiling?: { readonly full: number; readonly hits: number; readonly rank: number };
  /** Takes a scored cache if it is wanted. */
  offer(ordinal: number, full: number, hits: number): void;
};

export type Match = { readonly ordinal: number; readonly full: number; readonly hits: number; readonly key: TieKey };

/** Best first. */
export function compareMatches(a: Omit<Match, 'ordinal'>, b: Omit<Match, 'ordinal'>): number {
  return b.full - a.full || b.hits - a.hits || compareTieKeys(a.key, b.key);
}

export function matchAt(position: MatchPosition): Omit<Match, 'ordinal'> {
  return { full: position.full, hits: position.full + position.partial, key: position };
}

export type Wanted = { readonly minFull: number; readonly accept?: (id: string) => boolean };

/** Wants any `most` matches. */
export class Gathering implements Goal {
  readonly full: number;
  readonly hits = 1;
  readonly rank = Number.POSITIVE_INFINITY;
  readonly matches: Match[] = [];
  readonly #data: MatchData;
  readonly #wanted: Wanted;
  readonly #most: number;

  constructor(data: MatchData, wanted: Wanted, most: number) {
    this.full = wanted.minFull;
    this.#data = data;
    this.#wanted = wanted;
    this.#most = most;
  }

  get isDone(): boolean {
    return this.matches.length >= this.#most;
  }

  offer(ordinal: number, full: number, hits: number): void {
    if (this.isDone || full < this.full || hits < this.hits) return;
    const key = this.#data.blocks.key(ordinal);
    if (this.#wanted.accept?.(key.id) !== false) this.matches.push({ ordinal, full, hits, key });
  }
}

/** Wants the best `most` matches after a place. */
export class BestMatches implements Goal {
  full: number;
  hits = 1;
  rank = Number.POSITIVE_INFINITY;
  readonly isDone = false;
  readonly ceiling?: { readonly full: number; readonly hits: number; readonly rank: number };
  /** Best first. */
  readonly matches: Match[] = [];
  readonly #data: MatchData;
  readonly #wanted: Wanted;
  readonly #most: number;
  readonly #after: Omit<Match, 'ordinal'> | undefined;

  constructor(data: MatchData, wanted: Wanted & { most: number; after?: MatchPosition }) {
    this.full = wanted.minFull;
    this.#data = data;
    this.#wanted = wanted;
    this.#most = wanted.most;
    if (wanted.after === undefined) return;
    this.#after = matchAt(wanted.after);
    this.ceiling = { full: this.#after.full, hits: this.#after.hits, rank: data.blocks.rankOfKey(wanted.after) };
  }

  offer(ordinal: number, full: number, hits: number): void {
    if (full < this.full || (full === this.full && hits < this.hits)) return;
    const match = { ordinal, full, hits, key: this.#data.blocks.key(ordinal) };
    const worst = this.matches.length < this.#most ? undefined : this.matches.at(-1);
    if (worst !== undefined && compareMatches(match, worst) >= 0) return;
    if (this.#after !== undefined && compareMatches(match, this.#after) <= 0) return;
    if (this.#wanted.accept?.(match.key.id) !== false) this.take(match);
  }

  /** Takes a match that is known to be acceptable, if it is one of the best and after the place. */
  take(match: Match): void {
    if (this.#after !== undefined && compareMatches(match, this.#after) <= 0) return;
    let [low, high] = [0, this.matches.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.matches[middle];
      if (other !== undefined && compareMatches(other, match) < 0) low = middle + 1;
      else high = middle;
    }
    if (low >= this.#most) return;
    this.matches.splice(low, 0, match);
    if (this.matches.length > this.#most) this.matches.pop();
    const worst = this.matches.at(-1);
    if (worst === undefined || this.matches.length < this.#most) return;
    this.full = worst.full;
    this.hits = worst.hits;
    this.rank = this.#data.blocks.rank(worst.ordinal);
  }
}
