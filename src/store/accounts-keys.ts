import type { Kysely } from 'kysely';
import type { AccessKey, AccountStore, TemporaryKey } from './account-ports.ts';
import type { TemporaryKeyRow } from './account-schema.ts';
import type { AccountVersion } from './account-version.ts';
import type { Schema } from './schema.ts';

type KeyStore = Omit<AccountStore, 'version' | 'createAccount' | 'get' | 'list' | 'changeStates' | 'setMaxImageCaches'>;

/** The part of the account store about keys. */
export function keyStore(db: Kysely<Schema>, version: AccountVersion): KeyStore {
  return {
    async findAccessKey(id) {
      const row = await db.selectFrom('access_keys').selectAll().where('id', '=', id).executeTakeFirst();
      return row && keyOf(row);
    },

    async listAccessKeys(accountId) {
      const all = db.selectFrom('access_keys').selectAll().orderBy('created_at_ms').orderBy('id');
      const rows = await (accountId === undefined ? all : all.where('account_id', '=', accountId)).execute();
      return rows.map(keyOf);
    },

    async putAccessKey(key) {
      const row = rowOfKey(key);
      await version.change((trx) =>
        trx
          .insertInto('access_keys')
          .values(row)
          .onConflict((conflict) =>
            conflict.column('id').doUpdateSet({ sealed_secret: row.sealed_secret, active: row.active }),
          )
          .execute(),
      );
    },

    async setAccessKeyActive({ accountId, id }, active) {
      return version.change(async (trx) => {
        const result = await trx
          .updateTable('access_keys')
          .set({ active: active ? 1 : 0 })
          .where('account_id', '=', accountId)
          .where('id', '=', id)
          .executeTakeFirst();
        return result.numUpdatedRows === 1n;
      });
    },

    deleteAccessKey: (key) => version.change((trx) => deleteFrom(trx, 'access_keys', key)),

    async addTemporaryKey(key, forgetBeforeMs) {
      await version.change(async (trx) => {
        await trx.deleteFrom('temporary_keys').where('expires_at_ms', '<', forgetBeforeMs).execute();
        await trx.insertInto('temporary_keys').values(rowOfTemporaryKey(key)).execute();
      });
    },

    async findTemporaryKey(id) {
      const row = await db.selectFrom('temporary_keys').selectAll().where('id', '=', id).executeTakeFirst();
      return row && temporaryKeyOf(row);
    },

    async listTemporaryKeys(accountId) {
      const rows = await db
        .selectFrom('temporary_keys')
        .selectAll()
        .where('account_id', '=', accountId)
        .orderBy('created_at_ms', 'desc')
        .orderBy('id')
        .execute();
      return rows.map(temporaryKeyOf);
    },

    deleteTemporaryKey: (key) => version.change((trx) => deleteFrom(trx, 'temporary_keys', key)),

    async pruneTemporaryKeys(beforeMs) {
      return version.change(async (trx) => {
        const result = await trx.deleteFrom('temporary_keys').where('expires_at_ms', '<', beforeMs).executeTakeFirst();
        return Number(result.numDeletedRows);
      });
    },
  };
}

async function deleteFrom(
  trx: Kysely<Schema>,
  table: 'access_keys' | 'temporary_keys',
  { accountId, id }: { accountId: string; id: string },
): Promise<boolean> {
  const result = await trx
    .deleteFrom(table)
    .where('account_id', '=', accountId)
    .where('id', '=', id)
    .executeTakeFirst();
  return result.numDeletedRows === 1n;
}

export function rowOfKey(key: AccessKey): Schema['access_keys'] {
  return {
    id: key.id,
    account_id: key.accountId,
    sealed_secret: key.sealedSecret,
    active: key.active ? 1 : 0,
    identity_id: key.userId ?? null,
    created_at_ms: key.createdAtMs ?? 0,
  };
}

function keyOf(row: Schema['access_keys']): AccessKey {
  return {
    id: row.id,
    accountId: row.account_id,
    sealedSecret: row.sealed_secret,
    active: row.active === 1,
    ...(row.identity_id === null ? {} : { userId: row.identity_id }),
    // Keys of the first version of the database have no time.
    ...(row.created_at_ms === 0 ? {} : { createdAtMs: row.created_at_ms }),
  };
}

function rowOfTemporaryKey(key: TemporaryKey): TemporaryKeyRow {
  return {
    id: key.id,
    account_id: key.accountId,
    identity_id: key.identityId ?? null,
    session_name: key.sessionName ?? null,
    sealed_secret: key.sealedSecret,
    sealed_token: key.sealedToken,
    session_policy: key.sessionPolicy ?? null,
    mfa: key.mfa ? 1 : 0,
    created_at_ms: key.createdAtMs,
    expires_at_ms: key.expiresAtMs,
  };
}

function temporaryKeyOf(row: TemporaryKeyRow): TemporaryKey {
  return {
    id: row.id,
    accountId: row.account_id,
    sealedSecret: row.sealed_secret,
    sealedToken: row.sealed_token,
    ...(row.identity_id === null ? {} : { identityId: row.identity_id }),
    ...(row.session_name === null ? {} : { sessionName: row.session_name }),
    ...(row.session_policy === null ? {} : { sessionPolicy: row.session_policy }),
    mfa: row.mfa === 1,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
  };
}
