import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, sql } from 'kysely';
import type { Sealer } from '../accounts/index.ts';
import { LarderError } from '../lib/errors.ts';
import { createAccountVersion } from './account-version.ts';
import { createAccountStore } from './accounts.ts';
import { createRamStore } from './accounts-ram.ts';
import { createBuildQueue } from './builds.ts';
import { createCacheWriter } from './cache-writer.ts';
import { createCacheStore } from './caches.ts';
import { createCheckpointer, FALLBACK_PAGES } from './checkpointer.ts';
import { createClientTokenStore } from './client-tokens.ts';
import { createHealthStore } from './health.ts';
import { createLayerStore } from './layers.ts';
import { migrate } from './migrations/index.ts';
import { createNonceStore } from './nonces.ts';
import { PLAIN_VIEW } from './plain-view.ts';
import type { CacheList, CacheView, Store } from './ports.ts';
import { createPrepared } from './prepared.ts';
import { createReadMemory } from './read-memory.ts';
import type { Schema } from './schema.ts';
import { createSqliteDialect, translated } from './sqlite-dialect.ts';
import { createUnsynced } from './unsynced.ts';
import { openWalIndex, type WalIndex } from './wal-index.ts';

/** A lock that another process holds is waited for this long by whoever opens the database or only reads. */
const BUSY_TIMEOUT_MS = 5_000;
/** Sealed or not, nobody else has business in the database; SQLite gives its side files the same mode. */
const FILE_MODE = 0o600;
/** SQLite's own limit. Reading from the mapped file saves a third of the time of a page of caches (bench/api.ts). */
const MAX_MAPPED_BYTES = 2 ** 31;
/** About 1,700 pages of 20 caches; SQLite's texts take a byte a character, or two where one is not Latin-1. */
const MAX_REMEMBERED_CHARS = 64 * 2 ** 20;

/**
 * Opens the SQLite database, making or migrating it as needed. What a commit returned from survives a power cut.
 * `view` makes what is kept beside each cache. Throws `store.newer` for the database of a later Larder, `store.corrupt` for what is none, and other `store.…` errors.
 */
export async function openSqliteStore(options: { path: string; seal: Sealer; view?: CacheView }): Promise<Store> {
  const { path, seal: sealer, view = PLAIN_VIEW } = options;
  const connection = await connect(path);
  const { database, walIndex } = connection;
  const db = new Kysely<Schema>({ dialect: createSqliteDialect(database, connection.afterCommit) });
  try {
    await migrate(db);
    // From now on whoever waits for another process keeps nobody else from their work (sqlite-dialect.ts).
    database.exec('pragma busy_timeout = 0');
  } catch (error) {
    await connection.close();
    throw error;
  }
  const reader = openReader(path);
  const accountVersion = createAccountVersion(db, walIndex.commits);
  const unsynced = createUnsynced(db, database);
  const nonces = createNonceStore(path);
  const prepared = createPrepared(reader);
  const memory = createReadMemory<CacheList>(walIndex.commits, MAX_REMEMBERED_CHARS);
  const writer = createCacheWriter(view);
  return {
    accounts: createAccountStore(db, accountVersion),
    ram: createRamStore(db, accountVersion),
    nonces,
    tokens: createClientTokenStore(db),
    caches: createCacheStore(db, { prepared, memory, writer, view, sealer, unsynced }),
    builds: createBuildQueue(db, { writer, sealer, unsynced }),
    layers: createLayerStore(db, unsynced),
    health: createHealthStore(db, writer),
    ping: async () => void (await sql`select 1`.execute(db)),
    async close() {
      nonces.close();
      // The last connection tidies up, which takes one that may write.
      reader.close();
      await connection.close();
    },
  };
}

/** The connection that writes, and what goes with it. */
async function connect(path: string) {
  const database = openDatabase(path);
  const walIndex = await configure(database, path).catch((error: unknown) => {
    database.close();
    throw error;
  });
  const checkpointer = createCheckpointer(path, walIndex.pendingPages);
  return {
    database,
    walIndex,
    afterCommit: checkpointer.afterCommit,
    async close() {
      await checkpointer.close();
      database.close();
      walIndex.close();
    },
  };
}

function openDatabase(path: string): DatabaseSync {
  return translated(() => {
    closeSync(openSync(path, 'a', FILE_MODE));
    return new DatabaseSync(path);
  });
}

/** A second connection, for reads outside of transactions. */
function openReader(path: string): DatabaseSync {
  return translated(() => {
    const reader = new DatabaseSync(path, { readOnly: true });
    reader.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}; pragma mmap_size = ${MAX_MAPPED_BYTES}`);
    return reader;
  });
}

async function configure(database: DatabaseSync, path: string): Promise<WalIndex> {
  translated(() => {
    database.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
    const mode = database.prepare('pragma journal_mode = wal').get()?.journal_mode;
    if (mode !== 'wal') {
      throw new LarderError('store.no-wal', 'the file system of the database cannot share memory: use a local disk');
    }
    // In WAL mode only `full` syncs at every commit (https://sqlite.org/pragma.html#pragma_synchronous).
    database.exec('pragma synchronous = full');
    database.exec('pragma foreign_keys = on');
    database.exec(`pragma mmap_size = ${MAX_MAPPED_BYTES}; pragma wal_autocheckpoint = ${FALLBACK_PAGES}`);
    // Wiped credentials are overwritten, not left in free pages.
    database.exec('pragma secure_delete = on');
    // Now there is a log, and its index.
    database.exec('select count(*) from sqlite_schema');
  });
  return openWalIndex(path);
}
