import type { Kysely } from 'kysely';
import { LarderError } from '../lib/errors.ts';
import type { ClientTokenStore, Completion, HeldToken, TokenKey } from './ports.ts';
import type { Schema } from './schema.ts';

/** Expired tokens are removed a few at each claim, more than come in. */
const PRUNE_ROWS = 16;

/** The results of calls with a ClientToken. A claim is on stable storage before the call does anything. */
export function createClientTokenStore(db: Kysely<Schema>): ClientTokenStore {
  return {
    claim(key, { fingerprint, owner, nowMs, leaseMs, ttlMs }) {
      return db.transaction().execute(async (trx) => {
        await prune(trx, nowMs);
        const row = await rowsOf(trx, key).selectAll().where('expires_at_ms', '>', nowMs).executeTakeFirst();
        if (row && row.fingerprint !== fingerprint) return { state: 'mismatch' };
        if (row && row.result !== null) return { state: 'done', result: row.result };
        if (row && row.lease_until_ms > nowMs) return { state: 'running' };
        const claimed = {
          fingerprint,
          owner,
          result: null,
          lease_until_ms: nowMs + leaseMs,
          expires_at_ms: nowMs + ttlMs,
        };
        await trx
          .insertInto('client_tokens')
          .values({ ...columnsOf(key), ...claimed })
          .onConflict((conflict) =>
            conflict.columns(['account_id', 'region_id', 'action', 'token']).doUpdateSet(claimed),
          )
          .execute();
        return { state: 'claimed' };
      });
    },

    async release(key, owner) {
      const { account_id, region_id, action, token } = columnsOf(key);
      await db
        .deleteFrom('client_tokens')
        .where('account_id', '=', account_id)
        .where('region_id', '=', region_id)
        .where('action', '=', action)
        .where('token', '=', token)
        .where('owner', '=', owner)
        .where('result', 'is', null)
        .execute();
    },
  };
}

/** The last step of a transaction that changes something. */
export async function complete(trx: Kysely<Schema>, { token, beforeCommit }: Completion): Promise<void> {
  if (token) await completeToken(trx, token);
  beforeCommit?.();
}

/** Records the result in the transaction that makes it true; throws `lease.lost` when another call has taken the token. */
async function completeToken(trx: Kysely<Schema>, { key, owner, result }: HeldToken): Promise<void> {
  const { account_id, region_id, action, token } = columnsOf(key);
  const updated = await trx
    .updateTable('client_tokens')
    .set({ result })
    .where('account_id', '=', account_id)
    .where('region_id', '=', region_id)
    .where('action', '=', action)
    .where('token', '=', token)
    .where('owner', '=', owner)
    .executeTakeFirst();
  if (updated.numUpdatedRows === 0n) throw new LarderError('lease.lost', 'another call has taken the client token');
}

function rowsOf(db: Kysely<Schema>, key: TokenKey) {
  const { account_id, region_id, action, token } = columnsOf(key);
  return db
    .selectFrom('client_tokens')
    .where('account_id', '=', account_id)
    .where('region_id', '=', region_id)
    .where('action', '=', action)
    .where('token', '=', token);
}

function columnsOf({ accountId, regionId, action, token }: TokenKey) {
  return { account_id: accountId, region_id: regionId, action, token };
}

async function prune(trx: Kysely<Schema>, nowMs: number): Promise<void> {
  const rows = await trx
    .selectFrom('client_tokens')
    .select(['account_id', 'region_id', 'action', 'token'])
    .where('expires_at_ms', '<=', nowMs)
    .limit(PRUNE_ROWS)
    .execute();
  for (const row of rows) {
    await trx
      .deleteFrom('client_tokens')
      .where('account_id', '=', row.account_id)
      .where('region_id', '=', row.region_id)
      .where('action', '=', row.action)
      .where('token', '=', row.token)
      .execute();
  }
}
