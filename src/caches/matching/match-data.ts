import { Blocks, type TieKey } from './match-blocks.ts';
import { Dictionary, TextMap } from './match-dictionary.ts';
import { Column, IntLists } from './match-int-lists.ts';
import { MatchMemory } from './match-memory.ts';
import { Postings } from './match-postings.ts';
import type { TermReader } from './match-terms.ts';
import type { MatchEntry, MatchTuning } from './match-types.ts';

/** What the index knows: which caches have a term, and which terms a cache has. Caches are named by their ordinals. */
export class MatchData {
  readonly memory = new MatchMemory();
  readonly terms = new Dictionary();
  readonly repositories = new Dictionary();
  readonly termPostings: Postings;
  readonly repositoryPostings: Postings;
  /** Repository of each term. */
  readonly repositoryOf = new Column();
  /** Terms of each cache, in no order. */
  readonly termsOf = new IntLists();
  readonly blocks: Blocks;
  readonly #ordinals = new TextMap();
  readonly #read: TermReader;

  constructor(tuning: MatchTuning, read: TermReader) {
    this.termPostings = new Postings(this.memory, tuning.minDenseLength);
    this.repositoryPostings = new Postings(this.memory, tuning.minDenseLength);
    this.blocks = new Blocks(this.memory, tuning.blockCapacity, (from, to) => this.#move(from, to));
    this.#read = read;
  }

  get size(): number {
    return this.#ordinals.size;
  }

  put(entry: MatchEntry): void {
    this.remove(entry.id);
    const { id, sizeGib, createdAtMs } = entry;
    const terms = this.#termsOf(entry.images);
    const key: TieKey = { sizeGib, createdAtMs, id };
    const ordinal = this.blocks.insert(key);
    this.#ordinals.set(id, ordinal);
    this.termsOf.assign(ordinal, terms);
    this.#post(ordinal, terms);
  }

  remove(id: string): void {
    const ordinal = this.#ordinals.get(id);
    if (ordinal === undefined) return;
    const terms = this.termsOf.values(ordinal);
    const repositories = this.#withdraw(ordinal, terms);
    this.termsOf.clear(ordinal);
    this.#ordinals.delete(id);
    this.blocks.remove(ordinal);
    for (const term of terms) if (this.termPostings.count(term) === 0) this.terms.release(term);
    for (const repository of repositories) {
      if (this.repositoryPostings.count(repository) === 0) this.repositories.release(repository);
    }
  }

  #termsOf(images: readonly string[]): number[] {
    const terms: number[] = [];
    for (const image of images) {
      const read = this.#read(image);
      if (read === null) continue;
      const repository = this.repositories.number(read.repository);
      for (const word of read.held) {
        const term = this.terms.number(word);
        if (terms.includes(term)) continue;
        this.repositoryOf.set(term, repository);
        terms.push(term);
      }
    }
    return terms;
  }

  /** Enters a cache under its terms and their repositories. */
  #post(ordinal: number, terms: ArrayLike<number>): void {
    const { space } = this.blocks;
    for (let index = 0; index < terms.length; index++) {
      const term = terms[index] ?? 0;
      this.termPostings.add(term, ordinal, space);
      this.repositoryPostings.add(this.repositoryOf.get(term), ordinal, space);
    }
  }

  /** Takes a cache out from under its terms; their distinct repositories. */
  #withdraw(ordinal: number, terms: ArrayLike<number>): Set<number> {
    const { space } = this.blocks;
    const repositories = new Set<number>();
    for (let index = 0; index < terms.length; index++) {
      const term = terms[index] ?? 0;
      this.termPostings.remove(term, ordinal, space);
      repositories.add(this.repositoryOf.get(term));
    }
    for (const repository of repositories) this.repositoryPostings.remove(repository, ordinal, space);
    return repositories;
  }

  #move(from: number, to: number): void {
    const terms = this.termsOf.values(from);
    this.#withdraw(from, terms);
    this.termsOf.rename(from, to);
    this.#post(to, terms);
    this.#ordinals.set(this.blocks.key(to).id, to);
  }
}
