import type { DatabaseSync } from 'node:sqlite';
import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

/**
 * Runs a transaction that needn't survive a power cut, without waiting for the disk. It survives the death of the process,
 * and the next commit that is synced takes it along.
 */
export type Unsynced = <T>(action: (trx: Kysely<Schema>) => Promise<T>) => Promise<T>;

export function createUnsynced(db: Kysely<Schema>, database: DatabaseSync): Unsynced {
  return (action) =>
    db.connection().execute(async (connection) => {
      // Nobody else uses the one connection until this returns.
      database.exec('pragma synchronous = normal');
      try {
        return await connection.transaction().execute(action);
      } finally {
        database.exec('pragma synchronous = full');
      }
    });
}
