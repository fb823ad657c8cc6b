import type { MatchData } from './match-data.ts';
import { type QueryLists, totalWeight } from './match-lists.ts';

/** Scores caches one by one for the query that was begun, exactly, from the terms that each has. */
export class MatchScorer {
  /** Of the cache scored last: images fully matched. */
  full = 0;
  /** Of the cache scored last: images whose repository it holds, fully matched or not. */
  hits = 0;
  readonly #data: MatchData;
  #isRequested = new Uint8Array(0);
  /** 1 + the number of the requested repository, by repository. */
  #slots = new Uint16Array(0);
  #weights: number[] = [];
  #hitBy: number[] = [];
  #scored = 0;
  #seen = new Uint32Array(0);
  #search = 0;

  constructor(data: MatchData) {
    this.#data = data;
  }

  begin(lists: QueryLists): void {
    const { terms, repositories, blocks } = this.#data;
    if (this.#isRequested.length < terms.end) this.#isRequested = new Uint8Array(withSlack(terms.end));
    if (this.#slots.length < repositories.end) this.#slots = new Uint16Array(withSlack(repositories.end));
    if (this.#seen.length < blocks.space) this.#seen = new Uint32Array(withSlack(blocks.space));
    this.forgetSeen();
    this.#weights = [0];
    for (const list of [...lists.sparseRepositories, ...lists.denseRepositories]) {
      this.#slots[list.number] = this.#weights.length;
      this.#weights.push(list.weight);
    }
    this.#hitBy = this.#weights.map(() => 0);
    this.#scored = 0;
    for (const list of [...lists.sparseTerms, ...lists.denseTerms]) this.#isRequested[list.number] = 1;
  }

  /** Undoes `begin`, so that the next query finds no marks. */
  end(lists: QueryLists): void {
    for (const list of [...lists.sparseTerms, ...lists.denseTerms]) this.#isRequested[list.number] = 0;
    for (const list of [...lists.sparseRepositories, ...lists.denseRepositories]) this.#slots[list.number] = 0;
  }

  forgetSeen(): void {
    this.#search = (this.#search + 1) >>> 0;
    if (this.#search > 0) return;
    this.#seen.fill(0);
    this.#search = 1;
  }

  wasSeen(ordinal: number): boolean {
    return this.#seen[ordinal] === this.#search;
  }

  see(ordinal: number): void {
    this.#seen[ordinal] = this.#search;
  }

  /** Sets `full` and `hits` for a cache, and remembers that it was seen. */
  score(ordinal: number): void {
    this.#seen[ordinal] = this.#search;
    const { termsOf, repositoryOf } = this.#data;
    const page = termsOf.page(ordinal);
    const offset = termsOf.offset(ordinal);
    const count = termsOf.count(ordinal);
    const isRequested = this.#isRequested;
    const slots = this.#slots;
    const hitBy = this.#hitBy;
    const weights = this.#weights;
    const mark = ++this.#scored;
    let full = 0;
    let hits = 0;
    for (let index = offset; index < offset + count; index++) {
      const term = page[index] ?? 0;
      full += isRequested[term] ?? 0;
      const slot = slots[repositoryOf.get(term)] ?? 0;
      if (slot === 0 || hitBy[slot] === mark) continue;
      hitBy[slot] = mark;
      hits += weights[slot] ?? 0;
    }
    this.full = full;
    this.hits = hits;
  }
}

/** The most that `hits` can be. */
export function mostHits(lists: QueryLists): number {
  return totalWeight(lists.sparseRepositories) + totalWeight(lists.denseRepositories);
}

function withSlack(length: number): number {
  return length + (length >> 2) + 64;
}
