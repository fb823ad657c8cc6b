import type { Kysely } from 'kysely';
import type { NonceStore } from './ports.ts';
import type { Schema } from './schema.ts';
import type { Unsynced } from './unsynced.ts';

/** Expired nonces are removed a few at a time, more than come in, so that no request pays for the rest. */
const PRUNE_EVERY = 16;
const PRUNE_ROWS = 64;

/**
 * Written through `unsynced`: a signed request is not worth a wait for the disk, and whoever replays one would have to have
 * recorded it just before the power went.
 */
export function createNonceStore(unsynced: Unsynced): NonceStore {
  let calls = 0;
  return {
    remember(accessKeyId, nonce, expiresAtMs, nowMs) {
      return unsynced(async (trx) => {
        if (calls++ % PRUNE_EVERY === 0) await prune(trx, nowMs);
        const result = await trx
          .insertInto('nonces')
          .values({ access_key_id: accessKeyId, nonce, expires_at_ms: expiresAtMs })
          .onConflict((conflict) =>
            conflict
              .columns(['access_key_id', 'nonce'])
              .doUpdateSet({ expires_at_ms: expiresAtMs })
              .where('nonces.expires_at_ms', '<=', nowMs),
          )
          .executeTakeFirst();
        return result.numInsertedOrUpdatedRows === 1n;
      });
    },
  };
}

async function prune(trx: Kysely<Schema>, nowMs: number): Promise<void> {
  await trx
    .deleteFrom('nonces')
    .where((eb) =>
      eb(
        eb.refTuple('access_key_id', 'nonce'),
        'in',
        eb
          .selectFrom('nonces')
          .select(['access_key_id', 'nonce'])
          .where('expires_at_ms', '<=', nowMs)
          .limit(PRUNE_ROWS)
          .$asTuple('access_key_id', 'nonce'),
      ),
    )
    .execute();
}
