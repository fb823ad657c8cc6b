/** What is asked again and again, whether anything happened or not, must not take longer the more image caches there are. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { Kysely } from 'kysely';
import { createSealer, SEAL_KEY_BYTES } from '../accounts/index.ts';
import { createBuildQueue } from './builds.ts';
import { createCacheWriter } from './cache-writer.ts';
import { createCacheStore } from './caches.ts';
import { createHealthStore } from './health.ts';
import { migrate } from './migrations/index.ts';
import { PLAIN_VIEW } from './plain-view.ts';
import type { CacheList } from './ports.ts';
import { createPrepared } from './prepared.ts';
import { createReadMemory } from './read-memory.ts';
import type { Schema } from './schema.ts';
import { createSqliteDialect } from './sqlite-dialect.ts';
import { createUnsynced } from './unsynced.ts';

/** Those that have rows for each image cache; of the index of those that are not Ready there are few. */
const SCANS_A_CATALOG =
  /SCAN (image_caches(?! USING COVERING INDEX image_caches_not_ready)|image_cache_images|image_cache_tags|snapshots|snapshot_copies|layer_uses)/;

const database = new DatabaseSync(':memory:');
let queries: string[] = [];
const db = new Kysely<Schema>({
  dialect: createSqliteDialect(database),
  log({ query }) {
    queries.push(query.sql);
  },
});
after(() => db.destroy());
await migrate(db);
const sealer = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
const writer = createCacheWriter(PLAIN_VIEW);
const unsynced = createUnsynced(db, database);
const memory = createReadMemory<CacheList>(() => 0, 1);
const health = createHealthStore(db, writer);
const builds = createBuildQueue(db, { writer, sealer, unsynced });
const caches = createCacheStore(db, {
  prepared: createPrepared(database),
  memory,
  writer,
  view: PLAIN_VIEW,
  sealer,
  unsynced,
});

const POLLED: Readonly<Record<string, () => Promise<unknown>>> = {
  'builds to be claimed': () => builds.claim('owner', 0, 1),
  'caches that expired': () => caches.expired(0, 1),
  'when the next one expires': () => caches.nextExpiryMs(),
  'caches by status': () => caches.countByStatus(),
  'where there are caches': () => caches.scopes(),
  'lost layers': () => health.lost(),
  'snapshots without a copy': () => health.snapshotsWithoutCopy(1),
  'removed snapshots': () => health.removedSnapshots(1),
};

for (const [what, ask] of Object.entries(POLLED)) {
  test(`${what}: not by reading all image caches`, async () => {
    queries = [];
    await ask();
    const plans = queries.filter((sql) => /^(select|update|with)/i.test(sql)).map(planOf);
    assert.ok(plans.length > 0);
    for (const plan of plans) assert.doesNotMatch(plan, SCANS_A_CATALOG);
  });
}

function planOf(sql: string): string {
  const rows = database.prepare(`explain query plan ${sql}`).all();
  return rows.map(({ detail }) => String(detail)).join('; ');
}
