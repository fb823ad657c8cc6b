import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { errorCode, LarderError } from '../lib/errors.ts';
import { createLogGuard, type LogGuard } from './log-guard.ts';

/** Distinct statements number about fifty; lists of different lengths make some more. */
const MAX_STATEMENTS = 200;
/** A lock that another process holds is waited for this long, in steps between which whoever only reads gets their turn. */
const BUSY_TIMEOUT_MS = 5_000;
const BUSY_STEP_MS = 10;

/**
 * Kysely over node:sqlite, with one connection: Kysely's own lock hands it to one transaction or query at a time. SQLite itself
 * must not wait for locks (`busy_timeout`), since it does so on this thread. `afterCommit` is called after every commit.
 */
export function createSqliteDialect(database: DatabaseSync, afterCommit: () => void = () => undefined): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => createDriver(database, afterCommit),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

function createDriver(database: DatabaseSync, afterCommit: () => void): Driver {
  const guard = createLogGuard(database);
  const connection = createConnection(database, guard);
  const command = (text: string) => async () => translated(() => guard.watch(() => database.exec(text)));
  const commit = command('commit');
  return {
    init: async () => {},
    acquireConnection: async () => connection,
    // Immediate: a transaction that reads first and writes later could otherwise find that another process wrote in between.
    beginTransaction: () =>
      onceFree(() => {
        guard.beforeWrite();
        guard.watch(() => database.exec('begin immediate'));
      }),
    async commitTransaction() {
      await commit();
      afterCommit();
    },
    rollbackTransaction: async () => {
      // SQLite rolls back by itself on some errors, a full disk among them.
      if (database.isTransaction) await command('rollback')();
    },
    releaseConnection: async () => {},
    destroy: async () => database.close(),
  };
}

function createConnection(database: DatabaseSync, guard: LogGuard): DatabaseConnection {
  const statements = new Map<string, Statement>();

  /** Compiled once; the least recently used goes. */
  function prepare(text: string): Statement {
    const known = statements.get(text);
    const statement = known ?? createStatement(database.prepare(text), guard);
    statements.delete(text);
    statements.set(text, statement);
    const oldest = statements.size > MAX_STATEMENTS ? statements.keys().next().value : undefined;
    if (oldest !== undefined) statements.delete(oldest);
    return statement;
  }

  return {
    executeQuery: async <Row>(query: CompiledQuery) =>
      // Whoever has begun a transaction has the lock.
      onceFree(() =>
        // Kysely knows the type of the rows from the query that it built; SQLite can't.
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion
        guard.watch(() => prepare(query.sql)(query.parameters as SQLInputValue[]) as QueryResult<Row>),
      ),
    streamQuery() {
      throw new LarderError('store.failed', 'results are read in pages, not streamed');
    },
  };
}

type Statement = (parameters: readonly SQLInputValue[]) => QueryResult<unknown>;

function createStatement(statement: StatementSync, guard: LogGuard): Statement {
  if (statement.columns().length > 0) {
    const read = createRowReader(statement);
    return (parameters) => ({ rows: read(parameters) });
  }
  return (parameters) => {
    guard.beforeWrite();
    return { rows: [], numAffectedRows: BigInt(statement.run(...parameters).changes) };
  };
}

type RowObject = { [column: string]: SQLOutputValue };

/**
 * Rows as objects of one shape. Those that node:sqlite makes have no prototype and are kept as hash tables: with them a page of
 * caches took 0.13 ms instead of 0.09 (bench/api.ts).
 */
export function createRowReader(statement: StatementSync): (parameters: readonly SQLInputValue[]) => RowObject[] {
  const columns = statement.columns().map(({ name }) => name);
  statement.setReturnArrays(true);
  return (parameters) => {
    // That is what the line above asked for; its type doesn't tell.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const rows = statement.all(...parameters) as unknown as SQLOutputValue[][];
    return rows.map((values) => {
      const row: RowObject = {};
      let index = 0;
      for (const column of columns) row[column] = values[index++] ?? null;
      return row;
    });
  };
}

/** SQLite's primary result codes (https://sqlite.org/rescode.html) → our code, and what to do about it. */
const KNOWN: Readonly<Record<number, { code: string; advice: string }>> = {
  5: { code: 'store.busy', advice: 'another process holds the database: try again' },
  8: { code: 'store.read-only', advice: 'the database cannot be written: check the mount and the owner of its folder' },
  10: { code: 'store.io', advice: 'the disk of the database reports an error: check the kernel log and the disk' },
  // Also for a read that ended with EIO, which SQLite takes for a damaged file system.
  11: {
    code: 'store.corrupt',
    advice: 'the database is damaged, or its disk cannot be read: check the kernel log, else restore it from a backup',
  },
  13: { code: 'store.no-space', advice: 'the disk of the database is full: free space' },
  14: { code: 'store.cannot-open', advice: 'the database cannot be opened: check that its folder exists and is ours' },
  19: { code: 'store.conflict', advice: 'the row is there already, or another row needs it' },
  26: { code: 'store.corrupt', advice: 'the file is not a database' },
};

/** Runs a database operation and translates its failure: `store.busy`, `store.no-space`, …, else `store.failed`. */
export function translated<T>(operation: () => T): T {
  try {
    return operation();
  } catch (cause) {
    if (!(cause instanceof Error) || !('errcode' in cause) || typeof cause.errcode !== 'number') throw cause;
    // The low byte is the primary code, the rest says more about it.
    const known = KNOWN[cause.errcode & 0xff] ?? { code: 'store.failed', advice: 'the database refused' };
    throw new LarderError(known.code, known.advice, { cause, facts: { sqlite: cause.errcode } });
  }
}

/** Runs an operation as `translated` does, again and again while another process holds the database. */
async function onceFree<T>(operation: () => T): Promise<T> {
  for (const endMs = performance.now() + BUSY_TIMEOUT_MS; ; await sleep(BUSY_STEP_MS)) {
    try {
      return translated(operation);
    } catch (error) {
      if (errorCode(error) !== 'store.busy' || performance.now() > endMs) throw error;
    }
  }
}

/** What ends by itself, or once somebody has seen to the disk or brought back the database: nothing is wrong with the call. */
const PASSING = new Set([
  'store.busy',
  'store.read-only',
  'store.io',
  'store.corrupt',
  'store.no-space',
  'store.cannot-open',
]);

/** Whether the same operation may succeed later. */
export function mayPass(error: unknown): boolean {
  return error instanceof LarderError && PASSING.has(error.code);
}
