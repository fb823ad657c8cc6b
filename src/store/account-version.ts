import type { DatabaseSync } from 'node:sqlite';
import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export type AccountVersion = {
  /** See AccountStore.version. */
  current: () => number | Promise<number>;
  /** Runs a change of accounts in a transaction that also raises the version. */
  change<T>(action: (trx: Kysely<Schema>) => Promise<T>): Promise<T>;
};

/**
 * The version is a row, so that it tells changes of accounts from all others. `foreignCommits` says cheaply whether it is
 * worth reading again: a number that changes whenever another connection or process committed anything.
 */
export function createAccountVersion(db: Kysely<Schema>, foreignCommits: () => number): AccountVersion {
  let known: { version: number; commits: number } | undefined;
  let ownChanges = 0;

  async function read(commits: number): Promise<number> {
    const changesBefore = ownChanges;
    const { version } = await db.selectFrom('account_version').select('version').executeTakeFirstOrThrow();
    if (ownChanges === changesBefore) known = { version, commits };
    return version;
  }

  return {
    current() {
      const commits = foreignCommits();
      return known?.commits === commits ? known.version : read(commits);
    },

    async change(action) {
      try {
        return await db.transaction().execute(async (trx) => {
          const result = await action(trx);
          await trx
            .updateTable('account_version')
            .set((eb) => ({ version: eb('version', '+', 1) }))
            .execute();
          return result;
        });
      } finally {
        ownChanges++;
        known = undefined;
      }
    },
  };
}

/**
 * A number that changes when another connection than this one, of any process, commits anything:
 * https://sqlite.org/pragma.html#pragma_data_version
 */
export function sqliteDataVersion(database: DatabaseSync): () => number {
  const statement = database.prepare('pragma data_version');
  return () => Number(statement.get()?.data_version);
}

/** The same, asked once for all calls of one turn of the event loop: each asks several times, which took a tenth of their time. */
export function sqliteForeignCommits(database: DatabaseSync): () => number {
  const read = sqliteDataVersion(database);
  let known: number | undefined;
  const forget = () => {
    known = undefined;
  };
  return () => {
    if (known === undefined) {
      known = read();
      setImmediate(forget);
    }
    return known;
  };
}
