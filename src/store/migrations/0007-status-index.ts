import { type SchemaModule, sql } from 'kysely';

/** Caches are counted by status; nearly all are Ready, and those are what is left. */
export async function statusIndex(schema: SchemaModule): Promise<void> {
  await schema
    .createIndex('image_caches_not_ready')
    .on('image_caches')
    .column('status')
    .where('status', '!=', sql.lit('Ready'))
    .execute();
}
