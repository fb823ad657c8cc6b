import { type Kysely, type SchemaModule, sql } from 'kysely';
import type { Schema } from '../schema.ts';

/** Account states and quotas, RAM users and roles with policies, temporary keys, resource groups. */
export async function accounts(schema: SchemaModule, db: Kysely<Schema>): Promise<void> {
  await schema
    .alterTable('accounts')
    .addColumn('states', 'text', (column) => column.notNull().defaultTo(sql.lit('[]')))
    .execute();
  await schema.alterTable('accounts').addColumn('max_image_caches', 'integer').execute();
  await identities(schema);
  await schema
    .alterTable('access_keys')
    .addColumn('identity_id', 'text', (column) => column.references('ram_identities.id').onDelete('cascade'))
    .execute();
  await schema
    .alterTable('access_keys')
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await schema.createIndex('access_keys_identity').on('access_keys').column('identity_id').execute();
  await temporaryKeys(schema);
  await schema
    .createTable('resource_groups')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) => column.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('resource_groups_name', ['account_id', 'name'])
    .execute();
  await schema
    .createTable('vpc_networks')
    .addColumn('account_id', 'text', (column) => column.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('cidr', 'text', (column) => column.notNull())
    .addColumn('vpc_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('vpc_networks_key', ['account_id', 'cidr'])
    .execute();
  await schema
    .createTable('account_version')
    .addColumn('version', 'bigint', (column) => column.notNull())
    .execute();
  await db.insertInto('account_version').values({ version: 1 }).execute();
}

async function identities(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('ram_identities')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) => column.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addUniqueConstraint('ram_identities_name', ['account_id', 'type', 'name'])
    .execute();
  await schema
    .createTable('ram_policies')
    .addColumn('account_id', 'text', (column) => column.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('changed_at_ms', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('ram_policies_key', ['account_id', 'name'])
    .execute();
  await schema
    .createTable('policy_attachments')
    .addColumn('identity_id', 'text', (column) => column.notNull().references('ram_identities.id').onDelete('cascade'))
    .addColumn('policy_name', 'text', (column) => column.notNull())
    .addColumn('resource_group_id', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('policy_attachments_key', ['identity_id', 'policy_name', 'resource_group_id'])
    .execute();
}

async function temporaryKeys(schema: SchemaModule): Promise<void> {
  await schema
    .createTable('temporary_keys')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('account_id', 'text', (column) => column.notNull().references('accounts.id').onDelete('cascade'))
    .addColumn('identity_id', 'text', (column) => column.references('ram_identities.id').onDelete('cascade'))
    .addColumn('session_name', 'text')
    .addColumn('sealed_secret', 'text', (column) => column.notNull())
    .addColumn('sealed_token', 'text', (column) => column.notNull())
    .addColumn('session_policy', 'text')
    .addColumn('mfa', 'integer', (column) => column.notNull())
    .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('expires_at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await schema.createIndex('temporary_keys_account').on('temporary_keys').column('account_id').execute();
  await schema.createIndex('temporary_keys_expiry').on('temporary_keys').column('expires_at_ms').execute();
}
