import type { MatchData } from './match-data.ts';
import type { Goal } from './match-goal.ts';
import type { QueryLists } from './match-lists.ts';
import type { Bitmap } from './match-postings.ts';
import { mostHits } from './match-score.ts';

/** The most that a cache can be worth, by the bitmaps it is in: cheaper than its score. */
export class Bounds {
  readonly #terms: readonly Bitmap[];
  readonly #repositories: readonly Bitmap[];
  readonly #weights: readonly number[];
  readonly #mostHits: number;
  readonly #data: MatchData;
  readonly #goal: Goal;

  constructor(lists: QueryLists, data: MatchData, goal: Goal) {
    this.#terms = lists.denseTerms.map((list) => list.bitmap);
    this.#repositories = lists.denseRepositories.map((list) => list.bitmap);
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
    const least = this.#goal.full;
    let most = sparse + terms.length;
    for (let index = 0; index < terms.length && most >= least; index++) {
      if (terms[index]?.has(ordinal) === false) most--;
    }
    return Math.max(most, 0);
  }

  /** Whether a cache with at most so many full matches can be wanted. */
  couldBeWanted(ordinal: number, mostFull: number): boolean {
    const goal = this.#goal;
    if (mostFull !== goal.full) return mostFull > goal.full;
    const repositories = this.#repositories;
    let spare = this.#mostHits - goal.hits;
    for (let index = 0; index < repositories.length && spare >= 0; index++) {
      if (repositories[index]?.has(ordinal) === false) spare -= this.#weights[index] ?? 0;
    }
    return spare === 0 ? this.#data.blocks.rank(ordinal) <= goal.rank : spare > 0;
  }
}
