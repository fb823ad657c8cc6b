import { type Kysely, type SchemaModule, sql } from 'kysely';
import { LarderError } from '../../lib/errors.ts';
import type { Schema } from '../schema.ts';
import { initial } from './0001-initial.ts';
import { accounts } from './0002-accounts.ts';
import { catalog } from './0003-catalog.ts';
import { nonceLog } from './0004-nonce-log.ts';
import { blobDigest } from './0005-blob-digest.ts';
import { health } from './0006-health.ts';
import { statusIndex } from './0007-status-index.ts';

type Migration = (schema: SchemaModule, db: Kysely<Schema>) => Promise<void>;

/** One step after the other, from an empty database to the present one; steps are only ever added at the end. */
const MIGRATIONS: readonly Migration[] = [initial, accounts, catalog, nonceLog, blobDigest, health, statusIndex];

type Versions = { schema_version: { version: number } };

/**
 * Brings the database to the present version, in one transaction. Throws `store.newer` when it was written by a later
 * version of Larder: this one would not keep the promises of that one.
 */
export async function migrate(db: Kysely<Schema>, migrations = MIGRATIONS): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const versions = trx.withTables<Versions>();
    await trx.schema
      .createTable('schema_version')
      .ifNotExists()
      .addColumn('version', 'integer', (column) => column.notNull())
      .execute();
    const row = await versions.selectFrom('schema_version').select('version').executeTakeFirst();
    const version = row?.version ?? 0;
    if (version > migrations.length) {
      const message = `the database has version ${version} and this program knows ${migrations.length}: start the newer Larder`;
      throw new LarderError('store.newer', message, { facts: { database: version, program: migrations.length } });
    }
    if (version === migrations.length) return;
    for (const migration of migrations.slice(version)) await migration(trx.schema, trx);
    await sql`delete from schema_version`.execute(trx);
    await versions.insertInto('schema_version').values({ version: migrations.length }).execute();
  });
}

/** The version of a database, and the one that this program works with. */
export async function schemaVersion(db: Kysely<Schema>): Promise<{ database: number; program: number }> {
  const row = await db.withTables<Versions>().selectFrom('schema_version').select('version').executeTakeFirst();
  return { database: row?.version ?? 0, program: MIGRATIONS.length };
}
