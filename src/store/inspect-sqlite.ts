import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { LarderError } from '../lib/errors.ts';
import { createCacheWriter } from './cache-writer.ts';
import { createHealthStore } from './health.ts';
import { migrate, schemaVersion } from './migrations/index.ts';
import { PLAIN_VIEW } from './plain-view.ts';
import type { HealthStore } from './ports.ts';
import type { Schema } from './schema.ts';
import { createSqliteDialect, translated } from './sqlite-dialect.ts';

const BUSY_TIMEOUT_MS = 5_000;
/** The name of a database ends so while a restore makes it. */
export const RESTORING_SUFFIX = '.restoring';
/** SQLite stops by itself after so many. */
const MAX_PROBLEMS = 100;

export type SealedText = { what: string; purpose: 'access-key' | 'registry-credentials'; text: string };

/** A database looked at as it is, also while a server uses it. */
export type StoreInspector = {
  /** What SQLite finds wrong with the file and its indexes; empty when all is well. Reads all of it. */
  integrity(): string[];
  /** Rows that refer to others that are not there. */
  foreignKeys(): string[];
  /** Every secret that is sealed with the key of the server. */
  sealed(): Promise<SealedText[]>;
  /** Removes an image cache as its deletion would. */
  removeCache(imageCacheId: string): Promise<void>;
  /** Reads the health of blobs; writes only where the database was opened for it. */
  health: HealthStore;
  close(): Promise<void>;
};

/**
 * Opens a database: to `read` it, every change fails; to `write`, as it is; to `migrate`, brought to the present version first.
 * Throws `store.older` for the database of an earlier version, `store.newer` for that of a later one, `store.corrupt` for what
 * is none.
 */
export async function inspectSqliteStore(path: string, mode: 'read' | 'write' | 'migrate'): Promise<StoreInspector> {
  const database = translated(() => new DatabaseSync(path, { readOnly: mode === 'read' }));
  const db = new Kysely<Schema>({ dialect: createSqliteDialect(database) });
  const writer = createCacheWriter(PLAIN_VIEW);
  try {
    translated(() => database.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}; pragma foreign_keys = on`));
    if (mode === 'migrate') await migrate(db);
    else await mustBeOfThisVersion(db);
  } catch (error) {
    database.close();
    throw error;
  }

  return {
    integrity() {
      const rows = translated(() => database.prepare(`pragma integrity_check(${MAX_PROBLEMS})`).all());
      return rows.map((row) => String(row.integrity_check)).filter((text) => text !== 'ok');
    },

    foreignKeys() {
      const rows = translated(() => database.prepare('pragma foreign_key_check').all());
      return rows.map((row) => `row ${String(row.rowid)} of ${String(row.table)} has no ${String(row.parent)}`);
    },

    async sealed() {
      const keys = await db.selectFrom('access_keys').select(['id', 'sealed_secret']).execute();
      const temporary = await db.selectFrom('temporary_keys').select(['id', 'sealed_secret', 'sealed_token']).execute();
      const builds = await db.selectFrom('builds').select(['id', 'sealed_credentials']).execute();
      const ofKey = (what: string, text: string): SealedText => ({ what, purpose: 'access-key', text });
      return [
        ...keys.map((row) => ofKey(`access key ${row.id}`, row.sealed_secret)),
        ...temporary.flatMap((row) => {
          return [row.sealed_secret, row.sealed_token].map((text) => ofKey(`temporary key ${row.id}`, text));
        }),
        ...builds.map((row): SealedText => {
          const what = `registry credentials of build ${row.id}`;
          return { what, purpose: 'registry-credentials', text: row.sealed_credentials };
        }),
      ];
    },

    async removeCache(id) {
      await db.transaction().execute(async (trx) => {
        const row = await trx
          .selectFrom('image_caches')
          .select(['account_id', 'region_id'])
          .where('id', '=', id)
          .executeTakeFirst();
        if (row) await writer.remove(trx, { id, accountId: row.account_id, regionId: row.region_id });
      });
    },

    health: createHealthStore(db, writer),
    close: () => db.destroy(),
  };
}

/** Writes a consistent copy of a database into a new file, while others read and write it. Blocks this process meanwhile. */
export function copySqliteStore(path: string, target: string): void {
  const database = translated(() => new DatabaseSync(path));
  try {
    translated(() => {
      database.exec(`pragma busy_timeout = ${BUSY_TIMEOUT_MS}`);
      database.prepare('vacuum into ?').run(target);
    });
  } finally {
    database.close();
  }
}

async function mustBeOfThisVersion(db: Kysely<Schema>): Promise<void> {
  const { database, program } = await schemaVersion(db);
  if (database === program) return;
  const facts = { database, program };
  if (database > program) {
    throw new LarderError('store.newer', `the database has version ${database}: use the newer Larder`, { facts });
  }
  const message = `the database has version ${database} and this program works with ${program}: start larder serve once`;
  throw new LarderError('store.older', message, { facts });
}
