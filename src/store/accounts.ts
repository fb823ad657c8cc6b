import type { Kysely } from 'kysely';
import type { Account, AccountStore } from './account-ports.ts';
import type { AccountVersion } from './account-version.ts';
import { keyStore, rowOfKey } from './accounts-keys.ts';
import type { Schema } from './schema.ts';

export function createAccountStore(db: Kysely<Schema>, version: AccountVersion): AccountStore {
  const get = async (trx: Kysely<Schema>, id: string) => {
    const row = await trx.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst();
    return row && accountOf(row);
  };

  return {
    version: version.current,

    async createAccount({ id, name, createdAtMs }, key) {
      const account = { id, name, created_at_ms: createdAtMs, states: '[]', max_image_caches: null };
      await version.change(async (trx) => {
        await trx.insertInto('accounts').values(account).execute();
        await trx.insertInto('access_keys').values(rowOfKey(key)).execute();
      });
    },

    get: (id) => get(db, id),

    async list() {
      const rows = await db.selectFrom('accounts').selectAll().orderBy('created_at_ms').orderBy('id').execute();
      return rows.map(accountOf);
    },

    async changeStates(id, { set = [], clear = [] }) {
      return version.change(async (trx) => {
        const account = await get(trx, id);
        if (!account) return undefined;
        const states = [...new Set([...account.states, ...set])].filter((state) => !clear.includes(state)).toSorted();
        await trx
          .updateTable('accounts')
          .set({ states: JSON.stringify(states) })
          .where('id', '=', id)
          .execute();
        return { ...account, states };
      });
    },

    async setMaxImageCaches(id, maxImageCaches) {
      return version.change(async (trx) => {
        const change = { max_image_caches: maxImageCaches ?? null };
        const result = await trx.updateTable('accounts').set(change).where('id', '=', id).executeTakeFirst();
        return result.numUpdatedRows === 1n;
      });
    },

    ...keyStore(db, version),
  };
}

function accountOf(row: Schema['accounts']): Account {
  return {
    id: row.id,
    name: row.name,
    createdAtMs: row.created_at_ms,
    states: JSON.parse(row.states),
    ...(row.max_image_caches === null ? {} : { maxImageCaches: row.max_image_caches }),
  };
}
