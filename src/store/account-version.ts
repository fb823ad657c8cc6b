import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export type AccountVersion = {
  /** See AccountStore.version. */
  current: () => number | Promise<number>;
  /** Runs a change of accounts in a transaction that also raises the version. */
  change<T>(action: (trx: Kysely<Schema>) => Promise<T>): Promise<T>;
};

/**
 * The version is a row, so that it tells changes of accounts from all others. `commits` says cheaply whether it is
 * worth reading again: see WalIndex.
 */
export function createAccountVersion(db: Kysely<Schema>, commits: () => number): AccountVersion {
  let known: { version: number; commits: number } | undefined;

  async function read(before: number): Promise<number> {
    const { version } = await db.selectFrom('account_version').select('version').executeTakeFirstOrThrow();
    // Should it be older than a commit meanwhile, then that one's number is another, and it is read again.
    known = { version, commits: before };
    return version;
  }

  return {
    current() {
      const now = commits();
      return known?.commits === now ? known.version : read(now);
    },

    change: (action) =>
      db.transaction().execute(async (trx) => {
        const result = await action(trx);
        await trx
          .updateTable('account_version')
          .set((eb) => ({ version: eb('version', '+', 1) }))
          .execute();
        return result;
      }),
  };
}
