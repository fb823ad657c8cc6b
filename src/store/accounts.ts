import type { Kysely } from 'kysely';
import type { AccessKey, AccountStore } from './ports.ts';
import type { Schema } from './schema.ts';

export function createAccountStore(db: Kysely<Schema>): AccountStore {
  return {
    async createAccount({ id, name, createdAtMs }, key) {
      await db.transaction().execute(async (trx) => {
        await trx.insertInto('accounts').values({ id, name, created_at_ms: createdAtMs }).execute();
        await trx.insertInto('access_keys').values(rowOf(key)).execute();
      });
    },

    async findAccessKey(id) {
      const row = await db.selectFrom('access_keys').selectAll().where('id', '=', id).executeTakeFirst();
      return row && keyOf(row);
    },

    async listAccessKeys() {
      const rows = await db.selectFrom('access_keys').selectAll().orderBy('id').execute();
      return rows.map(keyOf);
    },

    async putAccessKey(key) {
      const { id, ...change } = rowOf(key);
      await db
        .insertInto('access_keys')
        .values({ id, ...change })
        .onConflict((conflict) => conflict.column('id').doUpdateSet(change))
        .execute();
    },
  };
}

function rowOf(key: AccessKey): Schema['access_keys'] {
  return { id: key.id, account_id: key.accountId, sealed_secret: key.sealedSecret, active: key.active ? 1 : 0 };
}

function keyOf(row: Schema['access_keys']): AccessKey {
  return { id: row.id, accountId: row.account_id, sealedSecret: row.sealed_secret, active: row.active === 1 };
}
