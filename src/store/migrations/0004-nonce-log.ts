import type { SchemaModule } from 'kysely';

/** Nonces have a log of their own; see nonces.ts. */
export async function nonceLog(schema: SchemaModule): Promise<void> {
  await schema.dropTable('nonces').execute();
}
