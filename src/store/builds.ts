import type { Kysely } from 'kysely';
import type { Sealer } from '../accounts/index.ts';
import { type BuildOptions, canMove, failedExpiry, type ImageCache, recordEvents } from '../caches/index.ts';
import { errorCode } from '../lib/errors.ts';
import { optionsOf } from './build-rows.ts';
import { cacheOf } from './cache-rows.ts';
import type { CacheWriter } from './cache-writer.ts';
import { endBuild } from './end-build.ts';
import type { BuildQueue, BuildResult, BuildUpdate, ClaimedBuild } from './ports.ts';
import type { BuildRow, Schema } from './schema.ts';
import type { Unsynced } from './unsynced.ts';

/**
 * What a build tells on its way goes through `unsynced`: after a power cut it starts again. Waiting for a disk that is busy
 * with its blob stopped the thread for a tenth of a build, and calls of the API with it (bench/build-goals.ts).
 */
export function createBuildQueue(
  db: Kysely<Schema>,
  { writer, sealer, unsynced }: { writer: CacheWriter; sealer: Sealer; unsynced: Unsynced },
): BuildQueue {
  return {
    async claim(owner, nowMs, leaseMs) {
      for (;;) {
        // An idle worker asks often; it takes the lock for writing only when there is something.
        const candidate = await oldestFree(db, nowMs).executeTakeFirst();
        if (!candidate) return undefined;
        const claimed = await db.transaction().execute(async (trx) => {
          const build = await oldestFree(trx, nowMs).executeTakeFirst();
          return build && claimBuild(trx, build.id, { owner, nowMs, leaseMs, sealer, writer });
        });
        if (claimed) return claimed;
      }
    },

    async renew(id, owner, untilMs) {
      const result = await unsynced((trx) => held(trx, id, owner).set({ lease_until_ms: untilMs }).executeTakeFirst());
      return result.numUpdatedRows === 1n;
    },

    update(id, owner, update, nowMs) {
      return unsynced(async (trx) => {
        const cache = await cacheOfHeldBuild(trx, id, owner);
        if (!cache) return false;
        await updateCache(trx, writer, { cache, update, nowMs });
        if (update.layers)
          await held(trx, id, owner)
            .set({ layers: JSON.stringify(update.layers) })
            .execute();
        return true;
      });
    },

    async finish(id, owner, result, nowMs) {
      return db.transaction().execute(async (trx) => {
        const cache = await cacheOfHeldBuild(trx, id, owner);
        if (cache) await endBuild(trx, writer, { buildId: id, cache, result, nowMs });
        return cache !== undefined;
      });
    },

    async release(id, owner) {
      await held(db, id, owner)
        .set(({ eb }) => ({ lease_owner: null, lease_until_ms: null, attempt: eb('attempt', '-', 1) }))
        .execute();
    },

    async progress(imageCacheId) {
      const row = await db
        .selectFrom('builds')
        .select(['images', 'layers'])
        .where('image_cache_id', '=', imageCacheId)
        .executeTakeFirst();
      return row ? { images: JSON.parse(row.images), layers: JSON.parse(row.layers) } : { images: [], layers: [] };
    },
  };
}

function oldestFree(db: Kysely<Schema>, nowMs: number) {
  return db
    .selectFrom('builds')
    .select('id')
    .where((eb) => eb.or([eb('lease_until_ms', 'is', null), eb('lease_until_ms', '<=', nowMs)]))
    .orderBy('queued_at_ms')
    .orderBy('id')
    .limit(1);
}

async function claimBuild(
  trx: Kysely<Schema>,
  id: string,
  claim: { owner: string; nowMs: number; leaseMs: number; sealer: Sealer; writer: CacheWriter },
): Promise<ClaimedBuild | undefined> {
  const { owner, nowMs, leaseMs, sealer, writer } = claim;
  const build = await trx
    .updateTable('builds')
    .set(({ eb }) => ({ lease_owner: owner, lease_until_ms: nowMs + leaseMs, attempt: eb('attempt', '+', 1) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
  const row = await trx
    .selectFrom('image_caches')
    .selectAll()
    .where('id', '=', build.image_cache_id)
    .executeTakeFirstOrThrow();
  const cache = cacheOf(row);
  const options = openOptions(build, sealer);
  if (options) return { id, cache, images: JSON.parse(build.images), options, attempt: build.attempt };
  await endBuild(trx, writer, { buildId: id, cache, result: unreadable(nowMs), nowMs });
  return undefined;
}

/** Undefined when the credentials don't open any more: such a build fails, instead of standing in the way of the others. */
function openOptions(build: BuildRow, sealer: Sealer): BuildOptions | undefined {
  try {
    return optionsOf(build, sealer);
  } catch (error) {
    if (errorCode(error) === 'accounts.seal-broken') return undefined;
    throw error;
  }
}

function unreadable(nowMs: number): BuildResult {
  const message =
    'The registry credentials of this build cannot be read with the key of the server: create the cache again.';
  return {
    status: 'Failed',
    expiresAtMs: failedExpiry(nowMs),
    events: [{ type: 'Warning', reason: 'Failed', message }],
  };
}

/** The build, to be changed by whoever holds its lease and by nobody else. */
function held(db: Kysely<Schema>, id: string, owner: string) {
  return db.updateTable('builds').where('id', '=', id).where('lease_owner', '=', owner);
}

async function cacheOfHeldBuild(trx: Kysely<Schema>, id: string, owner: string): Promise<ImageCache | undefined> {
  const row = await trx
    .selectFrom('image_caches')
    .innerJoin('builds', 'builds.image_cache_id', 'image_caches.id')
    .selectAll('image_caches')
    .where('builds.id', '=', id)
    .where('builds.lease_owner', '=', owner)
    .executeTakeFirst();
  return row && cacheOf(row);
}

async function updateCache(
  trx: Kysely<Schema>,
  writer: CacheWriter,
  { cache, update, nowMs }: { cache: ImageCache; update: BuildUpdate; nowMs: number },
): Promise<void> {
  const moves = update.status !== undefined && canMove(cache.status, update.status);
  const status = moves && update.status ? update.status : cache.status;
  // A new phase starts again; within one, progress never falls.
  const floor = moves ? 0 : cache.progressPercent;
  const progressPercent = Math.max(update.progressPercent ?? 0, floor);
  const events = recordEvents(cache.events, update.events ?? [], cache.name, nowMs);
  const isSame = status === cache.status && progressPercent === cache.progressPercent && !update.events?.length;
  if (!isSame) await writer.save(trx, cache, { ...cache, status, progressPercent, events });
}
