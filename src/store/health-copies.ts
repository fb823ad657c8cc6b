import { hash } from 'node:crypto';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { ExpressionBuilder, Kysely } from 'kysely';
import { type Digest, digestOfHex } from '../lib/digest.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import type { HealthStore, SnapshotRow } from './ports.ts';
import type { Schema } from './schema.ts';

/** Manifests hold configs of up to 8 MiB each, of up to 20 images. */
const MAX_MANIFEST_BYTES = 256 * 2 ** 20;

/** Snapshot manifests once more, in the database: one whose file is lost or changed is written again. */
export function createSnapshotCopies(
  db: Kysely<Schema>,
): Pick<HealthStore, 'snapshots' | 'snapshot' | 'snapshotsWithoutCopy' | 'keepCopy' | 'leaveUncopied' | 'copyOf'> {
  /** Snapshots that their caches show; not those that builds are making. */
  const shown = () =>
    db
      .selectFrom('snapshots')
      .innerJoin('image_caches', (join) =>
        join
          .onRef('image_caches.id', '=', 'snapshots.image_cache_id')
          .onRef('image_caches.snapshot_id', '=', 'snapshots.id'),
      )
      .leftJoin('snapshot_copies', 'snapshot_copies.snapshot_id', 'snapshots.id');
  const described = () =>
    shown().select((eb) => ['snapshots.id', 'snapshots.image_cache_id', 'snapshot_copies.digest', layersOf(eb)]);

  return {
    async snapshots({ after, limit }) {
      const page = described().orderBy('snapshots.id').limit(limit);
      return (await (after === undefined ? page : page.where('snapshots.id', '>', after)).execute()).map(snapshotOf);
    },

    async snapshot(snapshotId) {
      const row = await described().where('snapshots.id', '=', snapshotId).executeTakeFirst();
      return row && snapshotOf(row);
    },

    async snapshotsWithoutCopy(limit) {
      // Not a join with `uncopied_snapshots`: that SQLite began with all image caches, 30 ms for 100,000, every two seconds.
      const uncopied = db.selectFrom('uncopied_snapshots').select('snapshot_id');
      const rows = await described().where('snapshots.id', 'in', uncopied).limit(limit).execute();
      return rows.map(snapshotOf);
    },

    async keepCopy(snapshotId, { text, digest }) {
      const copy = { digest, manifest: zstdCompressSync(text) };
      return db.transaction().execute(async (trx) => {
        const row = await trx.selectFrom('snapshots').select('id').where('id', '=', snapshotId).executeTakeFirst();
        if (!row) return false;
        await trx
          .insertInto('snapshot_copies')
          .values({ snapshot_id: snapshotId, ...copy })
          .onConflict((conflict) => conflict.column('snapshot_id').doUpdateSet(copy))
          .execute();
        await trx.deleteFrom('uncopied_snapshots').where('snapshot_id', '=', snapshotId).execute();
        return true;
      });
    },

    async leaveUncopied(snapshotIds) {
      if (snapshotIds.length === 0) return;
      await db.deleteFrom('uncopied_snapshots').where('snapshot_id', 'in', snapshotIds).execute();
    },

    async copyOf(snapshotId) {
      const row = await db
        .selectFrom('snapshot_copies')
        .select(['digest', 'manifest'])
        .where('snapshot_id', '=', snapshotId)
        .executeTakeFirst();
      if (!row) return undefined;
      const text = unpack(row.manifest, snapshotId);
      if (digestOfHex(hash('sha256', text, 'hex')) === row.digest) return text.toString('utf8');
      throw damaged(snapshotId);
    },
  };
}

function snapshotOf(row: {
  id: string;
  image_cache_id: string;
  digest: Digest | null;
  layers: number | null;
}): SnapshotRow {
  return {
    snapshotId: row.id,
    imageCacheId: row.image_cache_id,
    layers: row.layers ?? 0,
    ...(row.digest === null ? {} : { copyDigest: row.digest }),
  };
}

function layersOf(eb: ExpressionBuilder<Schema, 'snapshots'>) {
  return eb
    .selectFrom('layer_uses')
    .whereRef('layer_uses.snapshot_id', '=', 'snapshots.id')
    .select((count) => count.fn.countAll<number>().as('count'))
    .as('layers');
}

function unpack(packed: Uint8Array, snapshotId: string): Buffer {
  try {
    return zstdDecompressSync(packed, { maxOutputLength: MAX_MANIFEST_BYTES });
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    throw damaged(snapshotId, cause);
  }
}

function damaged(snapshotId: string, cause?: unknown): LarderError {
  const message = `the database's copy of snapshot manifest ${snapshotId} is damaged`;
  return new LarderError('store.corrupt', message, { cause, facts: { snapshotId } });
}
