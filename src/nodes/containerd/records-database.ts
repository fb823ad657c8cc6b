import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { parseDigest } from '../../lib/digest.ts';
import { errorCode, LarderError } from '../../lib/errors.ts';
import type { HeldLayer, SnapshotRecord } from './snapshot-record.ts';

const SCHEMA = `
create table if not exists layers (
  number integer primary key,
  blob text not null unique,
  blob_digest text
) strict;
create table if not exists snapshots (
  number integer primary key,
  name text not null unique,
  parent integer references snapshots (number),
  kind text not null,
  labels text not null,
  created_at_ms integer not null,
  updated_at_ms integer not null,
  size_bytes integer not null default 0,
  inodes integer not null default 0,
  layer integer references layers (number)
) strict;
create index if not exists snapshots_by_parent on snapshots (parent);
create index if not exists snapshots_by_layer on snapshots (layer);
pragma user_version = 1;
`;
const SCHEMA_VERSION = 1;

const SELECT = `select s.number, s.name, coalesce(p.name, '') as parent, s.kind, s.labels, s.created_at_ms as createdAtMs,
  s.updated_at_ms as updatedAtMs, s.size_bytes as sizeBytes, s.inodes, s.layer
  from snapshots s left join snapshots p on p.number = s.parent order by s.number`;

const recordSchema = z.object({
  number: z.number(),
  name: z.string(),
  parent: z.string(),
  kind: z.enum(['view', 'active', 'committed']),
  labels: z.string().transform((text) => labelsSchema.parse(JSON.parse(text))),
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
  sizeBytes: z.number(),
  inodes: z.number(),
  layer: z
    .number()
    .nullable()
    .transform((layer) => layer ?? undefined),
});
const labelsSchema = z.record(z.string(), z.string());
const digestSchema = z.string().transform((text) => parseDigest(text));
const layerSchema = z.object({
  number: z.number(),
  blob: digestSchema,
  blobDigest: digestSchema.nullable().transform((digest) => digest ?? undefined),
});

/** Opens the file, makes its tables, and keeps it locked until it is closed. Throws `snapshots.locked`, `snapshots.version`. */
export function openRecordsDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    // Set before the first access, so that the lock lasts until the file is closed, however the process ends.
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = wal; pragma synchronous = full;');
    database.exec('pragma foreign_keys = on; begin immediate; commit;');
    const version = Number(database.prepare('pragma user_version').get()?.user_version ?? 0);
    if (version > SCHEMA_VERSION) {
      throw new LarderError('snapshots.version', `${path} was written by a newer version of larder; use that one`);
    }
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    database.close();
    if (errorCode(error) === 'ERR_SQLITE_ERROR' && String(error).includes('locked')) {
      throw new LarderError(
        'snapshots.locked',
        `another larder snapshotter works with ${path}; choose another --state`,
        {
          cause: error,
        },
      );
    }
    throw error;
  }
}

/** All there is, in the order of its making. */
export function loadRecords(database: DatabaseSync): { layers: HeldLayer[]; snapshots: SnapshotRecord[] } {
  const layers = database.prepare('select number, blob, blob_digest as blobDigest from layers order by number').all();
  const snapshots = database.prepare(SELECT).all();
  return {
    layers: layers.map((row) => layerSchema.parse(row)),
    snapshots: snapshots.map((row) => recordSchema.parse(row)),
  };
}
