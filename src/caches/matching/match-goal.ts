import { compareTieKeys, type TieKey } from './match-blocks.ts';
import type { MatchData } from './match-data.ts';
import type { MatchPosition } from './match-types.ts';

/** `rank` is that of its block: only caches of one block must be compared by their keys. */
export type Match = { readonly ordinal: number; readonly full: number; readonly hits: number; readonly rank: number };
type Place = { readonly full: number; readonly hits: number; readonly rank: number; readonly key: TieKey };

export type Wanted = { readonly minFull: number; readonly accept?: (id: string) => boolean };

/**
 * What a search still wants: caches with more than `full` fully matched images; or as many, and more than `hits` of any; or as
 * many of both, in a block of at most `rank`. It only ever wants less: all matches while it counts them, `counted` at most, and
 * then those that belong to the best `most` after a place.
 */
export class Goal {
  full: number;
  hits = 1;
  rank = Number.POSITIVE_INFINITY;
  /** All matches, but no more than it counts. */
  total = 0;
  /** Best first. */
  readonly matches: Match[] = [];
  readonly #data: MatchData;
  readonly #wanted: Wanted;
  readonly #most: number;
  readonly #counted: number;
  readonly #after: Place | undefined;

  constructor(data: MatchData, wanted: Wanted & { most: number; counted: number; after?: MatchPosition }) {
    this.full = wanted.minFull;
    this.#data = data;
    this.#wanted = wanted;
    this.#most = wanted.most;
    this.#counted = wanted.counted;
    const { after } = wanted;
    if (after === undefined) return;
    const { full, partial } = after;
    this.#after = { full, hits: full + partial, rank: data.blocks.rankOfKey(after), key: after };
  }

  get #isCounting(): boolean {
    return this.total < this.#counted;
  }

  /** Caches that are enough for it to want less; 0 while it always wants the same. */
  get looks(): number {
    return this.#isCounting ? 0 : this.#most;
  }

  /** Better matches than this are not wanted, nor as good ones in blocks before its `rank`. */
  get ceiling(): Place | undefined {
    return this.#isCounting ? undefined : this.#after;
  }

  /** Takes a scored cache if it is wanted. */
  offer(ordinal: number, full: number, hits: number): void {
    if (full < this.full || (full === this.full && hits < this.hits)) return;
    const { blocks } = this.#data;
    const { accept } = this.#wanted;
    const match = { ordinal, full, hits, rank: blocks.rank(ordinal) };
    const isCounted = this.#isCounting;
    if (!isCounted && !this.#isBetter(match)) return;
    if (accept?.(blocks.key(ordinal).id) === false) return;
    if (isCounted) this.total++;
    if (!isCounted || this.#isBetter(match)) this.#take(match);
    const last = this.matches[this.#most - 1];
    if (last === undefined || this.#isCounting) return;
    this.full = last.full;
    this.hits = last.hits;
    this.rank = last.rank;
  }

  /** Whether it belongs to the best so far. */
  #isBetter(match: Match): boolean {
    const worst = this.matches[this.#most - 1];
    if (worst !== undefined && this.#compare(match, worst) >= 0) return false;
    return this.#after === undefined || this.#compare(match, this.#after) > 0;
  }

  #take(match: Match): void {
    let low = 0;
    let high = this.matches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.matches[middle];
      if (other !== undefined && this.#compare(other, match) < 0) low = middle + 1;
      else high = middle;
    }
    this.matches.splice(low, 0, match);
    if (this.matches.length > this.#most) this.matches.pop();
  }

  /** The better one first. */
  #compare(a: Match, b: Match | Place): number {
    if (a.full !== b.full) return b.full - a.full;
    if (a.hits !== b.hits) return b.hits - a.hits;
    if (a.rank !== b.rank) return a.rank - b.rank;
    const { blocks } = this.#data;
    return compareTieKeys(blocks.key(a.ordinal), 'key' in b ? b.key : blocks.key(b.ordinal));
  }
}
