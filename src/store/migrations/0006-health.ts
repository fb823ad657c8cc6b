import { type Kysely, type SchemaModule, sql } from 'kysely';
import type { Schema } from '../schema.ts';

/** When each blob was last read and found right, which are lost, copies of the snapshot manifests, snapshots that are gone. */
export async function health(schema: SchemaModule, db: Kysely<Schema>): Promise<void> {
  await schema
    .alterTable('layers')
    .addColumn('checked_at_ms', 'bigint', (column) => column.notNull().defaultTo(sql.lit(0)))
    .execute();
  await schema
    .createTable('lost_layers')
    .addColumn('diff_id', 'text', (column) => column.primaryKey().references('layers.diff_id').onDelete('cascade'))
    .addColumn('reason', 'text', (column) => column.notNull())
    .addColumn('found_at_ms', 'bigint', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('next_attempt_ms', 'bigint', (column) => column.notNull())
    .addColumn('last_error', 'text')
    .execute();
  await schema
    .createTable('snapshot_copies')
    .addColumn('snapshot_id', 'text', (column) => column.primaryKey().references('snapshots.id').onDelete('cascade'))
    .addColumn('digest', 'text', (column) => column.notNull())
    .addColumn('manifest', 'blob', (column) => column.notNull())
    .execute();
  await schema
    .createTable('removed_snapshots')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .execute();
  // Rows of snapshots go in many ways, mostly along with their cache: the database itself keeps the list.
  await sql`create trigger snapshot_removed after delete on snapshots
    begin insert or ignore into removed_snapshots (id) values (old.id); end`.execute(db);
  await schema
    .createTable('uncopied_snapshots')
    .addColumn('snapshot_id', 'text', (column) => column.primaryKey().references('snapshots.id').onDelete('cascade'))
    .execute();
  await sql`create trigger snapshot_added after insert on snapshots
    begin insert or ignore into uncopied_snapshots (snapshot_id) values (new.id); end`.execute(db);
  await sql`insert into uncopied_snapshots (snapshot_id) select id from snapshots`.execute(db);
}
