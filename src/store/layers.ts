import type { Kysely } from 'kysely';
import type { Digest } from '../lib/digest.ts';
import { LarderError } from '../lib/errors.ts';
import type { LayerRecord, LayerStore } from './ports.ts';
import type { LayerRow, LayerState, Schema } from './schema.ts';
import type { Unsynced } from './unsynced.ts';

/**
 * A use by a build under way is recorded through `unsynced`: after a power cut the build starts again and uses its layers
 * again, and the commit that makes a cache Ready, which is synced, names them all.
 */
export function createLayerStore(db: Kysely<Schema>, unsynced: Unsynced): LayerStore {
  async function use(diffId: Digest, snapshotId: string): Promise<LayerRecord | undefined> {
    // Mostly the layer is not there; that answer takes no lock for writing.
    if (!(await findReady(db, diffId))) return undefined;
    return unsynced(async (trx) => {
      const row = await findReady(trx, diffId);
      if (row && !(await recordUse(trx, diffId, snapshotId))) throw cacheDeleted(snapshotId);
      return row && recordOf(row);
    });
  }

  return {
    use,

    async claim(diffId, { snapshotId, ...claim }) {
      const known = await use(diffId, snapshotId);
      if (known) return { state: 'ready', layer: known };
      if (await takeLease(db, diffId, { ...claim, state: 'converting' })) return { state: 'claimed' };
      const published = await use(diffId, snapshotId);
      return published ? { state: 'ready', layer: published } : { state: 'busy' };
    },

    async renew(diffId, owner, untilMs) {
      const result = await unsynced((trx) =>
        held(trx, diffId, owner).set({ lease_until_ms: untilMs }).executeTakeFirst(),
      );
      return result.numUpdatedRows === 1n;
    },

    async publish(layer, { owner, snapshotId, nowMs }) {
      return db.transaction().execute(async (trx) => {
        const result = await held(trx, layer.diffId, owner)
          .set({
            state: 'ready',
            blob_bytes: layer.blobBytes,
            blob_digest: layer.blobDigest ?? null,
            tar_bytes: layer.tarBytes,
            content_bytes: layer.contentBytes,
            changed_at_ms: nowMs,
            lease_owner: null,
            lease_until_ms: null,
          })
          .where('state', '=', 'converting')
          .executeTakeFirst();
        if (result.numUpdatedRows === 0n) return false;
        // Where the cache was deleted meanwhile the layer is there all the same, used by nobody.
        await recordUse(trx, layer.diffId, snapshotId);
        return true;
      });
    },

    async release(diffId, owner) {
      // The row stays: a blob may lie there already, and by this row garbage collection finds it.
      await held(db, diffId, owner).set({ state: 'absent', lease_owner: null, lease_until_ms: null }).execute();
    },

    async listUnreferenced() {
      const rows = await db
        .selectFrom('layers')
        .select('layers.diff_id')
        .leftJoin('layer_uses', 'layer_uses.diff_id', 'layers.diff_id')
        .where('layer_uses.diff_id', 'is', null)
        .execute();
      return rows.map((row) => row.diff_id);
    },

    async claimForRemoval(diffId, claim) {
      return db.transaction().execute(async (trx) => {
        const used = await trx
          .selectFrom('layer_uses')
          .select('diff_id')
          .where('diff_id', '=', diffId)
          .limit(1)
          .execute();
        if (used.length > 0) return false;
        return takeLease(trx, diffId, { ...claim, state: 'removing' });
      });
    },

    async forget(diffId, owner) {
      await db
        .deleteFrom('layers')
        .where('diff_id', '=', diffId)
        .where('lease_owner', '=', owner)
        .where('state', '=', 'removing')
        .execute();
    },
  };
}

function findReady(db: Kysely<Schema>, diffId: Digest): Promise<LayerRow | undefined> {
  return db
    .selectFrom('layers')
    .selectAll()
    .where('diff_id', '=', diffId)
    .where('state', '=', 'ready')
    .executeTakeFirst();
}

/** False when there is no such snapshot: its build ended, or its cache was deleted. */
async function recordUse(trx: Kysely<Schema>, diffId: Digest, snapshotId: string): Promise<boolean> {
  const snapshot = await trx.selectFrom('snapshots').select('id').where('id', '=', snapshotId).executeTakeFirst();
  if (!snapshot) return false;
  await trx
    .insertInto('layer_uses')
    .values({ snapshot_id: snapshotId, diff_id: diffId })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return true;
}

/** What a worker takes as: stop, this build is no longer yours. */
function cacheDeleted(snapshotId: string): LarderError {
  return new LarderError('lease.lost', 'the cache of this build was deleted, or the build has ended', {
    facts: { snapshotId },
  });
}

/** Takes the lease where nobody holds it, making the row when there is none. A layer that is there is not converted again. */
async function takeLease(
  db: Kysely<Schema>,
  diffId: Digest,
  lease: { owner: string; nowMs: number; leaseMs: number; state: 'converting' | 'removing' },
): Promise<boolean> {
  const { owner, nowMs, leaseMs, state } = lease;
  const change = { state, changed_at_ms: nowMs, lease_owner: owner, lease_until_ms: nowMs + leaseMs };
  const from: LayerState[] = ['absent', 'converting', 'removing'];
  if (state === 'removing') from.push('ready');
  const result = await db
    .insertInto('layers')
    .values({ diff_id: diffId, blob_bytes: 0, tar_bytes: 0, content_bytes: 0, ...change })
    .onConflict((conflict) =>
      conflict
        .column('diff_id')
        .doUpdateSet(change)
        .where('layers.state', 'in', from)
        .where((eb) => eb.or([eb('layers.lease_until_ms', 'is', null), eb('layers.lease_until_ms', '<=', nowMs)])),
    )
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** The layer, to be changed by whoever holds its lease and by nobody else. */
function held(db: Kysely<Schema>, diffId: Digest, owner: string) {
  return db.updateTable('layers').where('diff_id', '=', diffId).where('lease_owner', '=', owner);
}

function recordOf(row: LayerRow): LayerRecord {
  return {
    diffId: row.diff_id,
    blobBytes: row.blob_bytes,
    ...(row.blob_digest === null ? {} : { blobDigest: row.blob_digest }),
    tarBytes: row.tar_bytes,
    contentBytes: row.content_bytes,
  };
}
