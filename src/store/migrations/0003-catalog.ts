import { type Kysely, type SchemaModule, sql } from 'kysely';
import { indexedImages } from '../../caches/index.ts';
import type { Schema } from '../schema.ts';

/** Caches are found by image, tag, group and snapshot, eliminated by use, followed by revision; client tokens. */
export async function catalog(schema: SchemaModule, db: Kysely<Schema>): Promise<void> {
  await columns(schema);
  await indexTables(schema);
  await clientTokens(schema);
  await fill(db);
}

async function columns(schema: SchemaModule): Promise<void> {
  const zero = sql.lit(0);
  await schema
    .alterTable('image_caches')
    .addColumn('last_used_at_ms', 'bigint', (column) => column.notNull().defaultTo(zero))
    .execute();
  const none = sql.lit('{"plainHttpRegistries":[],"insecureRegistries":[]}');
  await schema
    .alterTable('image_caches')
    .addColumn('registries', 'text', (column) => column.notNull().defaultTo(none))
    .execute();
  await schema
    .alterTable('image_caches')
    .addColumn('revision', 'bigint', (column) => column.notNull().defaultTo(zero))
    .execute();
  await schema
    .alterTable('image_caches')
    .addColumn('view_version', 'integer', (column) => column.notNull().defaultTo(zero))
    .execute();
  await schema
    .alterTable('image_caches')
    .addColumn('view', 'text', (column) => column.notNull().defaultTo(sql.lit('')))
    .execute();
  await schema
    .alterTable('image_cache_counts')
    .addColumn('revision', 'bigint', (column) => column.notNull().defaultTo(zero))
    .execute();
  await schema
    .alterTable('image_cache_counts')
    .addColumn('removals_floor', 'bigint', (column) => column.notNull().defaultTo(zero))
    .execute();
  await schema
    .alterTable('builds')
    .addColumn('images', 'text', (column) => column.notNull().defaultTo(sql.lit('[]')))
    .execute();
}

async function indexTables(schema: SchemaModule): Promise<void> {
  const index = (name: string, ordered: string[]) =>
    schema
      .createIndex(`image_caches_${name}`)
      .on('image_caches')
      .columns(['account_id', 'region_id', ...ordered])
      .execute();
  await index('revision', ['revision']);
  await index('snapshot', ['snapshot_id']);
  await index('group', ['resource_group_id', 'created_at_ms desc', 'id']);
  await index('elimination', ['elimination_strategy', 'last_used_at_ms', 'id']);

  await ofCache(schema, 'image_cache_images')
    .addColumn('leaf', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('reference', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('image_cache_images_key', ['image_cache_id', 'reference'])
    .execute();
  await schema
    .createIndex('image_cache_images_leaf')
    .on('image_cache_images')
    .columns(['account_id', 'region_id', 'leaf'])
    .execute();
  await ofCache(schema, 'image_cache_tags')
    .addColumn('key', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('image_cache_tags_key', ['image_cache_id', 'key'])
    .execute();
  await schema
    .createIndex('image_cache_tags_tag')
    .on('image_cache_tags')
    .columns(['account_id', 'region_id', 'key', 'value'])
    .execute();
  await schema
    .createTable('image_cache_removals')
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('region_id', 'text', (column) => column.notNull())
    .addColumn('revision', 'bigint', (column) => column.notNull())
    .addColumn('id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('image_cache_removals_key', ['account_id', 'region_id', 'revision'])
    .execute();
}

function ofCache<Name extends string>(schema: SchemaModule, name: Name) {
  return schema
    .createTable(name)
    .addColumn('image_cache_id', 'text', (column) => column.notNull().references('image_caches.id').onDelete('cascade'))
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('region_id', 'text', (column) => column.notNull());
}

async function clientTokens(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('client_tokens')
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('region_id', 'text', (column) => column.notNull())
    .addColumn('action', 'text', (column) => column.notNull())
    .addColumn('token', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('result', 'text')
    .addColumn('owner', 'text', (column) => column.notNull())
    .addColumn('lease_until_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('client_tokens_key', ['account_id', 'region_id', 'action', 'token'])
    .execute();
  await schema.createIndex('client_tokens_expiry').on('client_tokens').column('expires_at_ms').execute();
}

/** What rows that were there before need to be found. */
async function fill(db: Kysely<Schema>): Promise<void> {
  await db
    .updateTable('image_caches')
    .set((eb) => ({ last_used_at_ms: eb.fn.coalesce(eb.ref('last_matched_at_ms'), eb.ref('created_at_ms')) }))
    .execute();
  const rows = await db
    .selectFrom('image_caches')
    .select(['id', 'account_id', 'region_id', 'images', 'tags'])
    .orderBy('created_at_ms')
    .execute();
  let revision = 0;
  for (const { id, account_id, region_id, images, tags } of rows) {
    revision++;
    const scope = { image_cache_id: id, account_id, region_id };
    await db.updateTable('image_caches').set({ revision }).where('id', '=', id).execute();
    await db.updateTable('builds').set({ images }).where('image_cache_id', '=', id).execute();
    for (const image of indexedImages(JSON.parse(images))) {
      await db
        .insertInto('image_cache_images')
        .values({ ...scope, ...image })
        .execute();
    }
    for (const { key, value } of JSON.parse(tags)) {
      await db
        .insertInto('image_cache_tags')
        .values({ ...scope, key, value })
        .execute();
    }
  }
  if (revision > 0) await db.updateTable('image_cache_counts').set({ revision }).execute();
}
