import type { Kysely } from 'kysely';
import {
  type CacheStatus,
  canMove,
  type ImageCache,
  READY_PERCENT,
  recordEvents,
  snapshotIdOf,
  statusAfterFailure,
} from '../caches/index.ts';
import { LarderError } from '../lib/errors.ts';
import type { CacheWriter } from './cache-writer.ts';
import type { BuildResult } from './ports.ts';
import type { Schema } from './schema.ts';

/** Every database takes at least this many parameters in one statement. */
const MAX_DIGESTS_PER_STATEMENT = 500;

/**
 * Ends a build inside a transaction: the cache gets its final status, its snapshot and the layers that it names; the build
 * goes with its credentials and progress. Throws `store.layer-missing`, or `store.bad-transition` when the status can't follow.
 */
export async function endBuild(
  trx: Kysely<Schema>,
  writer: CacheWriter,
  end: { buildId: string; cache: ImageCache; result: BuildResult; nowMs: number },
): Promise<void> {
  const { buildId, cache, result, nowMs } = end;
  const build = await trx.deleteFrom('builds').where('id', '=', buildId).returning('images').executeTakeFirstOrThrow();
  const change =
    result.status === 'Ready'
      ? ready(cache, { snapshotId: result.snapshotId, images: JSON.parse(build.images) })
      : failed(cache, result.expiresAtMs);
  if (result.status === 'Ready') await keepSnapshot(trx, cache.id, result);
  else await trx.deleteFrom('snapshots').where('id', '=', snapshotIdOf(buildId)).execute();
  const events = recordEvents(cache.events, result.events, cache.name, nowMs);
  await writer.save(trx, cache, { ...cache, ...change, events });
}

function ready(cache: ImageCache, content: { snapshotId: string; images: readonly string[] }): Partial<ImageCache> {
  return { status: moved(cache.status, 'Ready'), progressPercent: READY_PERCENT, ...content };
}

/** After a failed update the old content stays, and the cache expires when it would have. */
function failed(cache: ImageCache, expiresAtMs: number): Partial<ImageCache> {
  const status = moved(cache.status, statusAfterFailure(cache.status));
  return status === 'Failed' ? { status, expiresAtMs } : { status };
}

function moved(from: CacheStatus, to: CacheStatus): CacheStatus {
  if (canMove(from, to)) return to;
  throw new LarderError('store.bad-transition', `a cache that is ${from} cannot become ${to}`, { facts: { from, to } });
}

/** Makes this the one snapshot of the cache, using just these layers, all of which must be there. */
async function keepSnapshot(
  trx: Kysely<Schema>,
  cacheId: string,
  { snapshotId, layers }: Extract<BuildResult, { status: 'Ready' }>,
): Promise<void> {
  await trx.deleteFrom('snapshots').where('image_cache_id', '=', cacheId).execute();
  await trx.insertInto('snapshots').values({ id: snapshotId, image_cache_id: cacheId }).execute();
  const distinct = new Set(layers);
  const rest = [...distinct];
  let used = 0;
  while (rest.length > 0) {
    const some = rest.splice(0, MAX_DIGESTS_PER_STATEMENT);
    const result = await trx
      .insertInto('layer_uses')
      .columns(['snapshot_id', 'diff_id'])
      .expression((eb) =>
        eb
          .selectFrom('layers')
          .select([eb.val(snapshotId).as('snapshot_id'), 'diff_id'])
          .where('state', '=', 'ready')
          .where('diff_id', 'in', some),
      )
      .executeTakeFirst();
    used += Number(result.numInsertedOrUpdatedRows ?? 0n);
  }
  const missing = distinct.size - used;
  if (missing === 0) return;
  throw new LarderError('store.layer-missing', `${missing} layers of the snapshot are not in the store`, {
    facts: { missing },
  });
}
