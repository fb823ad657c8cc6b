import { type CreateTableBuilder, type SchemaModule, sql } from 'kysely';

/** Everything up to image caches, their builds and layers. A migration that was released is never changed. */
export async function initial(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('accounts')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await schema
    .createTable('access_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) => column.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('sealed_secret', 'text', (column) => column.notNull())
    .addColumn('active', 'integer', (column) => column.notNull())
    .execute();
  await schema.createIndex('access_keys_account').on('access_keys').column('account_id').execute();
  await schema
    .createTable('nonces')
    .addColumn('access_key_id', 'text', (column) => column.notNull())
    .addColumn('nonce', 'text', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('nonces_key', ['access_key_id', 'nonce'])
    .execute();
  await schema.createIndex('nonces_expiry').on('nonces').column('expires_at_ms').execute();

  await imageCaches(schema);
  await builds(schema);
  await layers(schema);
}

async function imageCaches(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('image_caches')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('region_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('progress_percent', 'integer', (column) => column.notNull())
    .addColumn('size_gib', 'integer', (column) => column.notNull())
    .addColumn('retention_days', 'integer')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint')
    .addColumn('last_matched_at_ms', 'bigint')
    .addColumn('container_group_id', 'text', (column) => column.notNull())
    .addColumn('snapshot_id', 'text')
    .addColumn('resource_group_id', 'text', (column) => column.notNull())
    .addColumn('elimination_strategy', 'text', (column) => column.notNull())
    .addColumn('images', 'text', (column) => column.notNull())
    .addColumn('tags', 'text', (column) => column.notNull())
    .addColumn('events', 'text', (column) => column.notNull())
    .execute();
  // Pages are read newest first, then by id; the index has that order, so that a page costs its own rows only.
  await schema
    .createIndex('image_caches_page')
    .on('image_caches')
    .columns(['account_id', 'region_id', 'created_at_ms desc', 'id'])
    .execute();
  await schema
    .createIndex('image_caches_name')
    .on('image_caches')
    .columns(['account_id', 'region_id', 'name', 'created_at_ms desc', 'id'])
    .execute();
  await schema.createIndex('image_caches_expiry').on('image_caches').column('expires_at_ms').execute();
  await schema
    .createTable('image_cache_counts')
    .addColumn('account_id', 'text', (column) => column.notNull())
    .addColumn('region_id', 'text', (column) => column.notNull())
    .addColumn('caches', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('image_cache_counts_key', ['account_id', 'region_id'])
    .execute();
}

async function builds(schema: SchemaModule): Promise<void> {
  await leased(
    schema
      .createTable('builds')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('image_cache_id', 'text', (column) =>
        column.notNull().unique().references('image_caches.id').onDelete('cascade'),
      )
      .addColumn('queued_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('attempt', 'integer', (column) => column.notNull().defaultTo(0)),
  )
    .addColumn('options', 'text', (column) => column.notNull())
    .addColumn('sealed_credentials', 'text', (column) => column.notNull())
    .addColumn('layers', 'text', (column) => column.notNull().defaultTo(sql.lit('[]')))
    .execute();
  await schema.createIndex('builds_queue').on('builds').columns(['queued_at_ms', 'id']).execute();
  await schema
    .createTable('snapshots')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('image_cache_id', 'text', (column) => column.notNull().references('image_caches.id').onDelete('cascade'))
    .execute();
  await schema.createIndex('snapshots_cache').on('snapshots').column('image_cache_id').execute();
}

async function layers(schema: SchemaModule): Promise<void> {
  await leased(
    schema
      .createTable('layers')
      .addColumn('diff_id', 'text', (column) => column.primaryKey())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('blob_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('tar_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('content_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
      .addColumn('changed_at_ms', 'bigint', (column) => column.notNull()),
  ).execute();
  await schema
    .createTable('layer_uses')
    .addColumn('snapshot_id', 'text', (column) => column.notNull().references('snapshots.id').onDelete('cascade'))
    // The database itself refuses to forget a layer that a snapshot names.
    .addColumn('diff_id', 'text', (column) => column.notNull().references('layers.diff_id'))
    .addPrimaryKeyConstraint('layer_uses_key', ['snapshot_id', 'diff_id'])
    .execute();
  await schema.createIndex('layer_uses_layer').on('layer_uses').column('diff_id').execute();
}

/** Nobody holds it while the owner is null or the time has passed. */
function leased<Name extends string>(table: CreateTableBuilder<Name>) {
  return table.addColumn('lease_owner', 'text').addColumn('lease_until_ms', 'bigint');
}
