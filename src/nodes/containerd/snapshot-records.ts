import { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { type Digest, parseDigest } from '../../lib/digest.ts';
import { errorCode, LarderError } from '../../lib/errors.ts';
import { snapshotError } from './errors.ts';

/** Names the layer chain that a snapshot is meant to become; containerd finds the snapshot again by it. */
export const REF_LABEL = 'containerd.io/snapshot.ref';

export type SnapshotKind = 'view' | 'active' | 'committed';
export type Labels = Readonly<Record<string, string>>;

/** One snapshot (containerd, snapshots.Info), and where its files lie. */
export type SnapshotRecord = {
  /** Names its folders; never used twice. */
  readonly number: number;
  readonly name: string;
  /** Empty for none. */
  readonly parent: string;
  readonly kind: SnapshotKind;
  readonly labels: Labels;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Of a committed snapshot. */
  readonly sizeBytes: number;
  readonly inodes: number;
  /** The number of the held layer that it shows; undefined where its files are its own. */
  readonly layer: number | undefined;
};

/** A layer blob that is mounted at the folder of its number. */
export type HeldLayer = {
  readonly number: number;
  /** Key of the blob, and tree digest of its file where that is known. */
  readonly blob: Digest;
  readonly blobDigest: Digest | undefined;
};

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

const COLUMNS = `s.number, s.name, coalesce(p.name, '') as parent, s.kind, s.labels, s.created_at_ms as createdAtMs,
  s.updated_at_ms as updatedAtMs, s.size_bytes as sizeBytes, s.inodes, s.layer`;
const SELECT = `select ${COLUMNS} from snapshots s left join snapshots p on p.number = s.parent`;
const CHAIN = `with recursive chain (number, parent, depth) as (
    select number, parent, 0 from snapshots where name = ?
    union all select s.number, s.parent, depth + 1 from snapshots s join chain c on s.number = c.parent)
  select ${COLUMNS} from chain c join snapshots s on s.number = c.number
    left join snapshots p on p.number = s.parent order by c.depth`;

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
const LAYER_COLUMNS = 'number, blob, blob_digest as blobDigest';

/**
 * What the snapshotter knows across restarts, in one SQLite file: containerd's rules for names, parents and kinds
 * (containerd v1.6.20, snapshots/storage/bolt.go), a synced transaction per call. The file is locked for as long as it is
 * open, so no second snapshotter works on the same folder. Throws `snapshots.*`, and `snapshots.locked` when it opens.
 */
export class SnapshotRecords {
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  #lastNumber: number;

  constructor(path: string, now: () => number = Date.now) {
    this.#now = now;
    this.#database = openDatabase(path);
    const row = this.#database
      .prepare('select max(number) as last from (select number from snapshots union all select number from layers)')
      .get();
    this.#lastNumber = Number(row?.last ?? 0);
  }

  close(): void {
    this.#database.close();
  }

  /** A number for new folders. Nothing is written: folders without a record are swept before numbers are given again. */
  nextNumber(): number {
    return ++this.#lastNumber;
  }

  get(name: string): SnapshotRecord {
    const found = this.find(name);
    if (found) return found;
    throw snapshotError('snapshots.not-found', `there is no snapshot ${name}`);
  }

  find(name: string): SnapshotRecord | undefined {
    const row = this.#database.prepare(`${SELECT} where s.name = ?`).get(name);
    return row === undefined ? undefined : recordSchema.parse(row);
  }

  /** Held layers first: of several that are the same layer chain, containerd takes the first. */
  list(): SnapshotRecord[] {
    const rows = this.#database.prepare(`${SELECT} order by s.layer is null, s.number`).all();
    return rows.map((row) => recordSchema.parse(row));
  }

  /** The snapshot and all below it, uppermost first. */
  chain(name: string): SnapshotRecord[] {
    if (name === '') return [];
    return this.#database
      .prepare(CHAIN)
      .all(name)
      .map((row) => recordSchema.parse(row));
  }

  /** The held layer offered for this chain on this parent. */
  findHeld(ref: string, parent: string): SnapshotRecord | undefined {
    const condition = `s.layer is not null and s.labels ->> '$."${REF_LABEL}"' = ? and coalesce(p.name, '') = ?`;
    const row = this.#database.prepare(`${SELECT} where ${condition}`).get(ref, parent);
    return row === undefined ? undefined : recordSchema.parse(row);
  }

  /** Throws unless a snapshot may be made with this name on this parent. */
  checkNew(name: string, parent: string): void {
    if (name === '') throw snapshotError('snapshots.invalid-argument', 'a snapshot needs a key');
    if (this.find(name)) throw snapshotError('snapshots.already-exists', `there is a snapshot ${name}`);
    this.checkParent(parent);
  }

  /** Throws unless it is a committed snapshot, or empty. */
  checkParent(parent: string): void {
    if (parent === '' || this.get(parent).kind === 'committed') return;
    throw snapshotError('snapshots.invalid-argument', `the parent ${parent} is not committed`);
  }

  create(snapshot: { number: number; name: string; parent: string; kind: 'view' | 'active'; labels: Labels }): void {
    this.#transaction(() => {
      this.checkNew(snapshot.name, snapshot.parent);
      this.#insert({ ...snapshot, layer: undefined, sizeBytes: 0, inodes: 0 });
    });
  }

  /** A committed snapshot that shows a held layer. The ref is its name unless another parent has taken that. */
  createHeld(held: { ref: string; parent: string; labels: Labels; layer: HeldLayer; sizeBytes: number }): void {
    const { ref, parent, labels, layer, sizeBytes } = held;
    const number = this.nextNumber();
    const name = this.find(ref) ? `${ref}#${number}` : ref;
    this.#transaction(() => {
      this.checkNew(name, parent);
      this.#database
        .prepare('insert into layers (number, blob, blob_digest) values (?, ?, ?) on conflict do nothing')
        .run(layer.number, layer.blob, layer.blobDigest ?? null);
      const marked = { ...labels, [REF_LABEL]: ref };
      // A blob is one file.
      this.#insert({
        number,
        name,
        parent,
        kind: 'committed',
        labels: marked,
        layer: layer.number,
        sizeBytes,
        inodes: 1,
      });
    });
  }

  #insert(snapshot: Omit<SnapshotRecord, 'createdAtMs' | 'updatedAtMs'>): void {
    const { number, name, parent, kind, labels, layer, sizeBytes, inodes } = snapshot;
    const now = this.#now();
    this.#database
      .prepare(
        `insert into snapshots (number, name, parent, kind, labels, created_at_ms, updated_at_ms, size_bytes, inodes, layer)
         values (?, ?, (select number from snapshots where name = ?), ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(number, name, parent, kind, JSON.stringify(labels), now, now, sizeBytes, inodes, layer ?? null);
  }

  /** An active snapshot becomes a committed one under a new name, with these labels instead of its own. */
  commit(key: string, name: string, options: { labels: Labels; sizeBytes: number; inodes: number }): void {
    const { labels, sizeBytes, inodes } = options;
    this.#transaction(() => {
      if (name === '') throw snapshotError('snapshots.invalid-argument', 'a snapshot needs a name');
      if (this.find(name)) throw snapshotError('snapshots.already-exists', `there is a snapshot ${name}`);
      const active = this.get(key);
      if (active.kind !== 'active') throw snapshotError('snapshots.failed-precondition', `${key} is not active`);
      const now = this.#now();
      this.#database
        .prepare(
          `update snapshots set name = ?, kind = 'committed', labels = ?, size_bytes = ?, inodes = ?,
             created_at_ms = ?, updated_at_ms = ? where number = ?`,
        )
        .run(name, JSON.stringify(labels), sizeBytes, inodes, now, now, active.number);
    });
  }

  remove(name: string): void {
    this.#transaction(() => {
      const { number } = this.get(name);
      const child = this.#database.prepare('select name from snapshots where parent = ?').get(number);
      if (child) throw snapshotError('snapshots.failed-precondition', `${name} is the parent of ${String(child.name)}`);
      this.#database.prepare('delete from snapshots where number = ?').run(number);
    });
  }

  /** Sets labels: all of them, or those that paths as `labels.NAME` name; nothing else of a snapshot can change. */
  update(name: string, labels: Labels, paths: readonly string[]): SnapshotRecord {
    return this.#transaction(() => {
      const old = this.get(name);
      const updated = paths.length === 0 ? labels : paths.reduce((so, path) => withPath(so, labels, path), old.labels);
      // What finds a held layer again is ours to keep.
      const ref = old.labels[REF_LABEL];
      const kept = old.layer === undefined || ref === undefined ? updated : { ...updated, [REF_LABEL]: ref };
      this.#database
        .prepare('update snapshots set labels = ?, updated_at_ms = ? where number = ?')
        .run(JSON.stringify(kept), this.#now(), old.number);
      return this.get(name);
    });
  }

  layers(): HeldLayer[] {
    const rows = this.#database.prepare(`select ${LAYER_COLUMNS} from layers order by number`).all();
    return rows.map((row) => layerSchema.parse(row));
  }

  findLayer(blob: Digest): HeldLayer | undefined {
    const row = this.#database.prepare(`select ${LAYER_COLUMNS} from layers where blob = ?`).get(blob);
    return row === undefined ? undefined : layerSchema.parse(row);
  }

  /** Forgets the layers that no snapshot shows, and returns them. */
  forgetUnusedLayers(): HeldLayer[] {
    const unused = 'delete from layers where number not in (select layer from snapshots where layer is not null)';
    const rows = this.#database.prepare(`${unused} returning ${LAYER_COLUMNS}`).all();
    return rows.map((row) => layerSchema.parse(row));
  }

  #transaction<T>(task: () => T): T {
    this.#database.exec('begin immediate');
    try {
      const result = task();
      this.#database.exec('commit');
      return result;
    } catch (error) {
      // SQLite rolls back by itself on some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec('rollback');
      throw error;
    }
  }
}

function withPath(so: Labels, labels: Labels, path: string): Labels {
  if (path === 'labels') return labels;
  if (!path.startsWith('labels.')) {
    throw snapshotError('snapshots.invalid-argument', `${path} of a snapshot can't be changed`);
  }
  const label = path.slice('labels.'.length);
  return { ...so, [label]: labels[label] ?? '' };
}

function openDatabase(path: string): DatabaseSync {
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
