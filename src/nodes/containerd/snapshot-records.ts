import type { DatabaseSync } from 'node:sqlite';
import type { Digest } from '../../lib/digest.ts';
import { LarderError } from '../../lib/errors.ts';
import { snapshotError } from './errors.ts';
import { loadRecords, openRecordsDatabase } from './records-database.ts';
import { BLOB_INODES, type HeldLayer, type Labels, REF_LABEL, type SnapshotRecord } from './snapshot-record.ts';

/**
 * What the snapshotter knows across restarts, in one SQLite file: containerd's rules for names, parents and kinds
 * (containerd v1.6.20, snapshots/storage/bolt.go), a synced transaction per call. The file is locked for as long as it is
 * open, so no second snapshotter works on the same folder, and all of it is kept in memory as well: containerd asks much
 * more than it changes. Throws `snapshots.*`, and `snapshots.locked` when it opens.
 */
export class SnapshotRecords {
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #snapshots = new Map<string, SnapshotRecord>();
  readonly #layers = new Map<number, HeldLayer>();
  /** Names of children, by parent. */
  readonly #children = new Map<string, Set<string>>();
  #lastNumber = 0;

  constructor(path: string, now: () => number = Date.now) {
    this.#now = now;
    this.#database = openRecordsDatabase(path);
    const { layers, snapshots } = loadRecords(this.#database);
    for (const layer of layers) this.#layers.set(layer.number, layer);
    for (const snapshot of snapshots) this.#remember(snapshot);
    for (const { number } of [...this.#layers.values(), ...this.#snapshots.values()]) {
      this.#lastNumber = Math.max(this.#lastNumber, number);
    }
  }

  close(): void {
    this.#database.close();
  }

  /** A number for new folders. Nothing is written: folders without a record are swept before numbers are given again. */
  nextNumber(): number {
    return ++this.#lastNumber;
  }

  get(name: string): SnapshotRecord {
    const found = this.#snapshots.get(name);
    if (found) return found;
    throw snapshotError('snapshots.not-found', `there is no snapshot ${name}`);
  }

  /** Held layers first: of several that are the same layer chain, containerd takes the first. */
  list(): SnapshotRecord[] {
    const all = [...this.#snapshots.values()];
    return [...all.filter(({ layer }) => layer !== undefined), ...all.filter(({ layer }) => layer === undefined)];
  }

  /** The snapshot and all below it, uppermost first; none for the empty name. */
  chain(name: string): SnapshotRecord[] {
    const chain: SnapshotRecord[] = [];
    for (let at = name; at !== ''; at = this.get(at).parent) chain.push(this.get(at));
    return chain;
  }

  /** The held layer offered for this chain on this parent. */
  findHeld(ref: string, parent: string): SnapshotRecord | undefined {
    const isIt = (each: SnapshotRecord | undefined) =>
      each?.layer !== undefined && each.labels[REF_LABEL] === ref && each.parent === parent;
    const named = this.#snapshots.get(ref);
    // The name may be taken on another parent, and one that was unpacked before has containerd's name.
    return isIt(named) ? named : this.list().find(isIt);
  }

  /** Throws unless a snapshot may be made with this name on this parent. */
  checkNew(name: string, parent: string): void {
    this.#checkName(name);
    this.checkParent(parent);
  }

  #checkName(name: string): void {
    if (name === '') throw snapshotError('snapshots.invalid-argument', 'a snapshot needs a name');
    if (this.#snapshots.has(name)) throw snapshotError('snapshots.already-exists', `there is a snapshot ${name}`);
  }

  /** Throws unless it is a committed snapshot, or empty. */
  checkParent(parent: string): void {
    if (parent === '' || this.get(parent).kind === 'committed') return;
    throw snapshotError('snapshots.invalid-argument', `the parent ${parent} is not committed`);
  }

  create(snapshot: { number: number; name: string; parent: string; kind: 'view' | 'active'; labels: Labels }): void {
    this.checkNew(snapshot.name, snapshot.parent);
    const now = this.#now();
    const record = { ...snapshot, layer: undefined, sizeBytes: 0, inodes: 0, createdAtMs: now, updatedAtMs: now };
    this.#insert(record);
    this.#remember(record);
  }

  /** A committed snapshot that shows a held layer. The ref is its name unless another parent has taken that. */
  createHeld(held: { ref: string; parent: string; labels: Labels; layer: HeldLayer; sizeBytes: number }): void {
    const { ref, parent, labels, layer, sizeBytes } = held;
    const number = this.nextNumber();
    const name = this.#snapshots.has(ref) ? `${ref}#${number}` : ref;
    this.checkNew(name, parent);
    const now = this.#now();
    const record: SnapshotRecord = {
      number,
      name,
      parent,
      kind: 'committed',
      labels: { ...labels, [REF_LABEL]: ref },
      createdAtMs: now,
      updatedAtMs: now,
      sizeBytes,
      inodes: BLOB_INODES,
      layer: layer.number,
    };
    this.#transaction(() => {
      this.#insertLayer(layer);
      this.#insert(record);
    });
    this.#layers.set(layer.number, layer);
    this.#remember(record);
  }

  #insertLayer({ number, blob, blobDigest }: HeldLayer): void {
    if (this.#layers.has(number)) return;
    this.#database
      .prepare('insert into layers (number, blob, blob_digest) values (?, ?, ?)')
      .run(number, blob, blobDigest ?? null);
  }

  #insert(snapshot: SnapshotRecord): void {
    const { number, name, parent, kind, labels, createdAtMs, updatedAtMs, sizeBytes, inodes, layer } = snapshot;
    const parentNumber = parent === '' ? null : this.get(parent).number;
    this.#database
      .prepare(
        `insert into snapshots (number, name, parent, kind, labels, created_at_ms, updated_at_ms, size_bytes, inodes, layer)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        number,
        name,
        parentNumber,
        kind,
        JSON.stringify(labels),
        createdAtMs,
        updatedAtMs,
        sizeBytes,
        inodes,
        layer ?? null,
      );
  }

  /** Throws unless the active snapshot may be committed under this name. */
  checkCommit(key: string, name: string): SnapshotRecord {
    this.#checkName(name);
    const active = this.get(key);
    if (active.kind === 'active') return active;
    throw snapshotError('snapshots.failed-precondition', `${key} is not active`);
  }

  /**
   * An active snapshot becomes a committed one under a new name, with these labels instead of its own. With a held layer it
   * shows that from now on, under a new number, and nothing needs its folders any more.
   */
  commit(
    key: string,
    name: string,
    options: { labels: Labels; sizeBytes: number; inodes: number; layer?: HeldLayer },
  ): void {
    const active = this.checkCommit(key, name);
    const { labels, sizeBytes, inodes, layer } = options;
    const now = this.#now();
    const committed: SnapshotRecord = {
      ...active,
      name,
      labels,
      sizeBytes,
      inodes,
      number: layer ? this.nextNumber() : active.number,
      layer: layer?.number,
      kind: 'committed',
      createdAtMs: now,
      updatedAtMs: now,
    };
    this.#transaction(() => {
      if (layer) this.#insertLayer(layer);
      this.#database
        .prepare(
          `update snapshots set number = ?, layer = ?, name = ?, kind = 'committed', labels = ?, size_bytes = ?, inodes = ?,
             created_at_ms = ?, updated_at_ms = ? where number = ?`,
        )
        .run(
          committed.number,
          layer?.number ?? null,
          name,
          JSON.stringify(labels),
          sizeBytes,
          inodes,
          now,
          now,
          active.number,
        );
    });
    if (layer) this.#layers.set(layer.number, layer);
    this.#forget(active);
    this.#remember(committed);
  }

  remove(name: string): void {
    const record = this.get(name);
    const [child] = this.#children.get(name) ?? [];
    if (child !== undefined) throw snapshotError('snapshots.failed-precondition', `${name} is the parent of ${child}`);
    this.#database.prepare('delete from snapshots where number = ?').run(record.number);
    this.#forget(record);
  }

  /** Sets labels: all of them, or those that paths as `labels.NAME` name; nothing else of a snapshot can change. */
  update(name: string, labels: Labels, paths: readonly string[]): SnapshotRecord {
    const old = this.get(name);
    const updated = paths.length === 0 ? labels : paths.reduce((so, path) => withPath(so, labels, path), old.labels);
    // What finds a held layer again is ours to keep.
    const ref = old.labels[REF_LABEL];
    const kept = old.layer === undefined || ref === undefined ? updated : { ...updated, [REF_LABEL]: ref };
    const record: SnapshotRecord = { ...old, labels: kept, updatedAtMs: this.#now() };
    this.#database
      .prepare('update snapshots set labels = ?, updated_at_ms = ? where number = ?')
      .run(JSON.stringify(kept), record.updatedAtMs, old.number);
    this.#remember(record);
    return record;
  }

  layers(): HeldLayer[] {
    return [...this.#layers.values()];
  }

  layer(number: number): HeldLayer {
    const found = this.#layers.get(number);
    if (found) return found;
    throw new LarderError('snapshots.damaged', `a snapshot names the layer ${number}, which is not recorded`);
  }

  findLayer(blob: Digest): HeldLayer | undefined {
    return this.layers().find((layer) => layer.blob === blob);
  }

  /** Forgets the layers that no snapshot shows, and returns them. */
  forgetUnusedLayers(): HeldLayer[] {
    const used = new Set([...this.#snapshots.values()].map(({ layer }) => layer));
    const unused = this.layers().filter((layer) => !used.has(layer.number));
    this.#transaction(() => {
      for (const { number } of unused) this.#database.prepare('delete from layers where number = ?').run(number);
    });
    for (const { number } of unused) this.#layers.delete(number);
    return unused;
  }

  #remember(record: SnapshotRecord): void {
    this.#snapshots.set(record.name, record);
    const siblings = this.#children.get(record.parent) ?? new Set();
    this.#children.set(record.parent, siblings.add(record.name));
  }

  #forget(record: SnapshotRecord): void {
    this.#snapshots.delete(record.name);
    this.#children.get(record.parent)?.delete(record.name);
    this.#children.delete(record.name);
  }

  #transaction(task: () => void): void {
    this.#database.exec('begin immediate');
    try {
      task();
      this.#database.exec('commit');
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
