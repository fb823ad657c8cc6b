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
  /** Caches that are enough for it to want less; 0 when it always wants the same. */
  readonly looks: number;
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
  readonly looks = 0;
  readonly ordinals: number[] = [];
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
    return this.ordinals.length >= this.#most;
  }

  offer(ordinal: number, full: number, hits: number): void {
    if (this.isDone || full < this.full || hits < this.hits) return;
    const { accept } = this.#wanted;
    if (accept === undefined || accept(this.#data.blocks.key(ordinal).id)) this.ordinals.push(ordinal);
  }
}

/** Wants the best `most` matches after a place. */
export class BestMatches implements Goal {
  full: number;
  hits = 1;
  rank = Number.POSITIVE_INFINITY;
  readonly isDone = false;
  readonly looks: number;
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
    this.looks = wanted.most;
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
    if (this.#wanted.accept?.(match.key.id) === false) return;
    let low = 0;
    let high = this.matches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.matches[middle];
      if (other !== undefined && compareMatches(other, match) < 0) low = middle + 1;
      else high = middle;
    }
    this.matches.splice(low, 0, match);
    if (this.matches.length > this.#most) this.matches.pop();
    const last = this.matches.at(-1);
    if (last === undefined || this.matches.length < this.#most) return;
    this.full = last.full;
    this.hits = last.hits;
    this.rank = this.#data.blocks.rank(last.ordinal);
  }
}
