import type { MatchData } from './match-data.ts';
import type { Goal } from './match-goal.ts';
import type { QueryLists } from './match-lists.ts';
import { mostHits } from './match-score.ts';

/** The most that a cache can be worth, by the bitmaps it is in: cheaper than its score. */
export class Bounds {
  readonly #terms: readonly Uint32Array[];
  readonly #repositories: readonly Uint32Array[];
  readonly #weights: readonly number[];
  readonly #mostHits: number;
  readonly #data: MatchData;
  readonly #goal: Goal;

  constructor(lists: QueryLists, data: MatchData, goal: Goal) {
    this.#terms = lists.denseTerms.map((list) => list.bitmap.words);
    this.#repositories = lists.denseRepositories.map((list) => list.bitmap.words);
    this.#weights = lists.denseRepositories.map((list) => list.weight);
    this.#mostHits = mostHits(lists);
    this.#data = data;
    this.#goal = goal;
  }

  /** Fewer full matches than this are not wanted. */
  leastFull(): number {
    return this.#goal.full;
  }

  /** The most full matches that a cache can have, `sparse` of them in short lists; anything too small when that is too few. */
  mostFull(ordinal: number, sparse: number): number {
    const terms = this.#terms;
    const word = ordinal >>> 5;
    const bit = ordinal & 31;
    const least = this.#goal.full;
    let most = sparse + terms.length;
    for (let index = 0; index < terms.length && most >= least; index++) {
      most -= 1 & ~((terms[index]?.[word] ?? 0) >>> bit);
    }
    return Math.max(most, 0);
  }

  /** Whether a cache with at most so many full matches can be wanted. */
  couldBeWanted(ordinal: number, mostFull: number): boolean {
    const goal = this.#goal;
    if (mostFull !== goal.full) return mostFull > goal.full;
    const repositories = this.#repositories;
    const weights = this.#weights;
    const word = ordinal >>> 5;
    const bit = ordinal & 31;
    let spare = this.#mostHits - goal.hits;
    for (let index = 0; index < repositories.length && spare >= 0; index++) {
      if ((((repositories[index]?.[word] ?? 0) >>> bit) & 1) === 0) spare -= weights[index] ?? 0;
    }
    return spare === 0 ? this.#data.blocks.rank(ordinal) <= goal.rank : spare > 0;
  }
}
