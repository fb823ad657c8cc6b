/** Caches that an earlier version stored are found, shown and built by this one. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { Kysely } from 'kysely';
import { createSealer, SEAL_KEY_BYTES } from '../../src/accounts/index.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { initial } from '../../src/store/migrations/0001-initial.ts';
import { migrate } from '../../src/store/migrations/index.ts';
import type { Schema } from '../../src/store/schema.ts';
import { createSqliteDialect } from '../../src/store/sqlite-dialect.ts';
import { ACCOUNT, LEASE_MS, REGION } from './store-fixtures.ts';

const READY = 'imc-00000000000000000001';
const WAITING = 'imc-00000000000000000002';
const IMAGES = ['r/a/nginx:1', 'redis', 'r/a/nginx:1'];
const scope = { accountId: ACCOUNT, regionId: REGION };
const seal = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-upgrade-'));
});
after(() => rm(directory, { recursive: true }));

/** A database of the first version with a Ready cache and one whose build is queued. */
async function firstVersion(): Promise<string> {
  const path = join(directory, 'old.db');
  const old = new Kysely<Schema>({ dialect: createSqliteDialect(new DatabaseSync(path)) });
  await migrate(old, [initial]);
  await old.destroy();
  const database = new DatabaseSync(path);
  const insert = (table: string, row: Record<string, string | number | null>) =>
    database
      .prepare(`insert into ${table} (${Object.keys(row).join()}) values (${Object.keys(row).fill('?').join()})`)
      .run(...Object.values(row));
  for (const [place, [id, status]] of [[READY, 'Ready'] as const, [WAITING, 'Preparing'] as const].entries()) {
    insert('image_caches', {
      id,
      account_id: ACCOUNT,
      region_id: REGION,
      name: 'old',
      status,
      progress_percent: 0,
      size_gib: 20,
      created_at_ms: 1000 + place,
      last_matched_at_ms: status === 'Ready' ? 5000 : null,
      container_group_id: `eci-${place}`,
      resource_group_id: 'rg-default',
      elimination_strategy: '',
      images: JSON.stringify(IMAGES),
      tags: JSON.stringify([{ key: 'env', value: 'prod' }]),
      events: '[]',
    });
  }
  insert('image_cache_counts', { account_id: ACCOUNT, region_id: REGION, caches: 2 });
  insert('builds', {
    id: 'eci-1',
    image_cache_id: WAITING,
    queued_at_ms: 1001,
    options: JSON.stringify({ plainHttpRegistries: [], insecureRegistries: [] }),
    sealed_credentials: seal.seal('[]'),
  });
  database.close();
  return path;
}

test('caches of a database of the first version', async () => {
  const path = await firstVersion();
  const store = await openSqliteStore({ path, seal });
  try {
    for (const filter of [{ image: 'nginx' }, { image: 'redis' }, { tags: [{ key: 'env', value: 'prod' }] }, {}]) {
      const { caches, total } = await store.caches.find({ ...scope, ...filter }, { limit: 10 });
      assert.deepEqual([caches.map(({ id }) => id), total], [[WAITING, READY], 2], JSON.stringify(filter));
    }
    const listed: { images: unknown }[] = JSON.parse((await store.caches.list(scope, { limit: 10 })).json.toString());
    assert.deepEqual(
      listed.map(({ images }) => images),
      [IMAGES, IMAGES],
      'the views are made when they are read',
    );
    const views = await store.caches.views(scope, [READY, 'imc-none', WAITING]);
    assert.deepEqual(
      JSON.parse(views.toString()).map(({ id }: { id: unknown }) => id),
      [READY, WAITING],
    );
    assert.equal((await store.caches.tags(scope, { limit: 10 })).length, 2);
    const news = await store.caches.feed.changes(scope, { after: 0, began: 2, limit: 10 });
    assert.deepEqual([news.entries.map(({ id }) => id), news.revision], [[READY, WAITING], 2]);
    assert.deepEqual((await store.builds.claim('w', 2000, LEASE_MS))?.images, IMAGES);
  } finally {
    await store.close();
  }
});
