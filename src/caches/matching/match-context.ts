import { BlockTables } from './match-block-tables.ts';
import type { MatchData } from './match-data.ts';
import type { QueryLists } from './match-lists.ts';
import type { MatchScorer } from './match-score.ts';
import { SparseSums } from './match-sums.ts';

/** Room to count in, kept between queries. */
export class ScanScratch {
  /** In how many short lists a cache was found, by ordinal; all 0 between queries. */
  counts = new Uint8Array(0);
  /** The ordinals found, and how many full matches each can have. */
  found = new Uint32Array(0);
  full = new Uint8Array(0);
  /** Those that can be wanted, by how many full matches they can have. */
  sorted = new Uint32Array(0);
  readonly termSums: SparseSums;
  readonly repositorySums: SparseSums;
  readonly tables: BlockTables;

  constructor(data: MatchData) {
    this.termSums = new SparseSums(data.termPostings, data.memory);
    this.repositorySums = new SparseSums(data.repositoryPostings, data.memory);
    this.tables = new BlockTables(data.memory);
  }

  /** What the next query must not find. */
  clear(): void {
    this.counts.fill(0);
  }

  reserve(space: number): void {
    if (this.counts.length >= space) return;
    const length = space + (space >> 2) + 64;
    this.counts = new Uint8Array(length);
    this.found = new Uint32Array(length);
    this.full = new Uint8Array(length);
    this.sorted = new Uint32Array(length);
  }
}

export type ScanContext = { data: MatchData; lists: QueryLists; scorer: MatchScorer; scratch: ScanScratch };
