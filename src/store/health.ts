import { type Kysely, sql } from 'kysely';
import { recordEvent } from '../caches/index.ts';
import { cacheOf } from './cache-rows.ts';
import type { CacheWriter } from './cache-writer.ts';
import { createSnapshotCopies } from './health-copies.ts';
import type { HealthStore, LostLayer, StoredBlob } from './ports.ts';
import type { LayerRow, LostLayerRow, Schema } from './schema.ts';

export function createHealthStore(db: Kysely<Schema>, writer: CacheWriter): HealthStore {
  const lastCheck = sql<number>`max(checked_at_ms, changed_at_ms)`;
  const stored = () =>
    db
      .selectFrom('layers')
      .select(['diff_id', 'blob_bytes', 'blob_digest', lastCheck.as('last_check_ms')])
      .where('state', '=', 'ready');

  return {
    async storedBlobs({ after, limit }) {
      const all = stored().orderBy('diff_id').limit(limit);
      const rows = await (after === undefined ? all : all.where('diff_id', '>', after)).execute();
      return rows.map(blobOf);
    },

    async storedBlob(diffId) {
      const row = await stored().where('diff_id', '=', diffId).executeTakeFirst();
      return row && blobOf(row);
    },

    async dueBlobs(checkedBeforeMs, limit) {
      const due = stored().where(lastCheck, '<', checkedBeforeMs);
      return (await due.orderBy(lastCheck).limit(limit).execute()).map(blobOf);
    },

    async totals() {
      const row = await db
        .selectFrom('layers')
        .select((eb) => [
          eb.fn.countAll<number>().as('blobs'),
          eb.fn.sum<number | null>('blob_bytes').as('bytes'),
          eb.fn.min<number | null>(lastCheck).as('oldest'),
        ])
        .where('state', '=', 'ready')
        .executeTakeFirstOrThrow();
      return { blobs: row.blobs, bytes: row.bytes ?? 0, oldestCheckMs: row.oldest ?? undefined };
    },

    async recordCheck(diffId, { blobDigest, nowMs }) {
      await db
        .updateTable('layers')
        .set((eb) => ({ checked_at_ms: nowMs, blob_digest: eb.fn.coalesce('blob_digest', eb.val(blobDigest)) }))
        .where('diff_id', '=', diffId)
        .where('state', '=', 'ready')
        .execute();
    },

    async lose(diffId, { reason, nowMs }) {
      return db.transaction().execute(async (trx) => {
        const result = await trx
          .updateTable('layers')
          .set({ state: 'absent', changed_at_ms: nowMs, lease_owner: null, lease_until_ms: null })
          .where('diff_id', '=', diffId)
          .where('state', '=', 'ready')
          .executeTakeFirst();
        if (result.numUpdatedRows === 0n) return false;
        const loss = { reason, found_at_ms: nowMs, attempts: 0, next_attempt_ms: nowMs, last_error: null };
        await trx
          .insertInto('lost_layers')
          .values({ diff_id: diffId, ...loss })
          .onConflict((conflict) => conflict.column('diff_id').doUpdateSet(loss))
          .execute();
        return true;
      });
    },

    async lost() {
      const rows = await db
        .selectFrom('lost_layers')
        .innerJoin('layers', 'layers.diff_id', 'lost_layers.diff_id')
        .selectAll('lost_layers')
        .select('layers.state')
        .orderBy('lost_layers.next_attempt_ms')
        .execute();
      return rows.map(lostOf);
    },

    async users(diffId) {
      const rows = await db
        .selectFrom('layer_uses')
        .innerJoin('snapshots', 'snapshots.id', 'layer_uses.snapshot_id')
        .innerJoin('image_caches', (join) =>
          join
            .onRef('image_caches.id', '=', 'snapshots.image_cache_id')
            .onRef('image_caches.snapshot_id', '=', 'snapshots.id'),
        )
        .select(['snapshots.id', 'snapshots.image_cache_id', 'image_caches.registries', 'image_caches.size_gib'])
        .where('layer_uses.diff_id', '=', diffId)
        .orderBy('snapshots.id')
        .execute();
      return rows.map((row) => ({
        snapshotId: row.id,
        imageCacheId: row.image_cache_id,
        registries: JSON.parse(row.registries),
        sizeGib: row.size_gib,
      }));
    },

    async postponeRebuild(diffId, { error, nextAttemptMs }) {
      await db
        .updateTable('lost_layers')
        .set((eb) => ({ attempts: eb('attempts', '+', 1), last_error: error, next_attempt_ms: nextAttemptMs }))
        .where('diff_id', '=', diffId)
        .execute();
    },

    async forgetLoss(diffId) {
      await db.deleteFrom('lost_layers').where('diff_id', '=', diffId).execute();
    },

    async addEvent(imageCacheIds, event, nowMs) {
      if (imageCacheIds.length === 0) return;
      await db.transaction().execute(async (trx) => {
        const rows = await trx.selectFrom('image_caches').selectAll().where('id', 'in', imageCacheIds).execute();
        for (const cache of rows.map(cacheOf)) {
          await writer.save(trx, cache, { ...cache, events: recordEvent(cache.events, event, cache.name, nowMs) });
        }
      });
    },

    ...createSnapshotCopies(db),
    ...createRemains(db),
  };
}

/** What nobody refers to any more, and what dead processes held. */
function createRemains(
  db: Kysely<Schema>,
): Pick<HealthStore, 'unreferenced' | 'known' | 'removedSnapshots' | 'forgetRemoved' | 'releaseLeases'> {
  return {
    async unreferenced(nowMs) {
      const rows = await db
        .selectFrom('layers')
        .leftJoin('layer_uses', 'layer_uses.diff_id', 'layers.diff_id')
        .select('layers.diff_id')
        .where('layer_uses.diff_id', 'is', null)
        .where((eb) => eb.or([eb('lease_until_ms', 'is', null), eb('lease_until_ms', '<=', nowMs)]))
        .execute();
      return rows.map((row) => row.diff_id);
    },

    async known(diffIds) {
      if (diffIds.length === 0) return new Set();
      const rows = await db.selectFrom('layers').select('diff_id').where('diff_id', 'in', diffIds).execute();
      return new Set(rows.map((row) => row.diff_id));
    },

    async removedSnapshots(limit) {
      const rows = await db
        .selectFrom('removed_snapshots')
        .leftJoin('snapshots', 'snapshots.id', 'removed_snapshots.id')
        .select('removed_snapshots.id')
        .where('snapshots.id', 'is', null)
        .limit(limit)
        .execute();
      return rows.map((row) => row.id);
    },

    async forgetRemoved(snapshotId) {
      await db.deleteFrom('removed_snapshots').where('id', '=', snapshotId).execute();
    },

    async releaseLeases(except) {
      const nobody = { lease_owner: null, lease_until_ms: null };
      const isOthers = sql<boolean>`lease_owner is not null and substr(lease_owner, 1, ${except.length}) <> ${except}`;
      const builds = await db.updateTable('builds').set(nobody).where(isOthers).returning('id').execute();
      const layers = await db.updateTable('layers').set(nobody).where(isOthers).returning('diff_id').execute();
      return { builds: builds.map((row) => row.id), layers: layers.map((row) => row.diff_id) };
    },
  };
}

function blobOf(row: Pick<LayerRow, 'diff_id' | 'blob_bytes' | 'blob_digest'> & { last_check_ms: number }): StoredBlob {
  return {
    diffId: row.diff_id,
    blobBytes: row.blob_bytes,
    checkedAtMs: row.last_check_ms,
    ...(row.blob_digest === null ? {} : { blobDigest: row.blob_digest }),
  };
}

function lostOf(row: LostLayerRow & { state: LayerRow['state'] }): LostLayer {
  return {
    diffId: row.diff_id,
    reason: row.reason,
    foundAtMs: row.found_at_ms,
    attempts: row.attempts,
    nextAttemptMs: row.next_attempt_ms,
    isBack: row.state === 'ready',
    ...(row.last_error === null ? {} : { lastError: row.last_error }),
  };
}
