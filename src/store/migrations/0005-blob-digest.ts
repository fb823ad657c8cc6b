import type { SchemaModule } from 'kysely';

/** Layers know the tree digest of their blob; those made before have none. */
export async function blobDigest(schema: SchemaModule): Promise<void> {
  await schema.alterTable('layers').addColumn('blob_digest', 'text').execute();
}
