import type { DiskOperation, Target } from './disk-operations.ts';

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

/** A file as a crash leaves it. */
export type FileContent = { bytes: Uint8Array; isEpoch: boolean };
/** Paths below the root, folders first made first. */
export type DiskState = { folders: string[]; files: Map<string, FileContent> };

/**
 * What a crash does with all that was not yet synced.
 *
 * - `killed`: only the process died, everything is there.
 * - `synced`: nothing is there that was not synced.
 * - `journal`: changes reach the disk in their order, up to some point; the last write is torn into sectors.
 * - `pages`: each page of a file is there as it was at some time of its own, sometimes each sector; names of a folder in order.
 * - `zeros`: names and sizes are there, the bytes are not.
 * - `any`: like `pages`, with any of the names.
 */
export const CRASH_MODES = ['killed', 'synced', 'journal', 'pages', 'zeros', 'any'] as const;
export type CrashMode = (typeof CRASH_MODES)[number];
/** From 0 to below 1. */
export type Random = () => number;

type Stored = { bytes: Buffer; size: number; isEpoch: boolean };
type Pending = { operation: DiskOperation; index: number };
/** Says which of the pending operations are there; for writes, by place in the file. */
type Choice = {
  hasEntry: (pending: Pending) => boolean;
  hasSize: (pending: Pending, inode: number) => boolean;
  unitBytes: number;
  hasUnit: (pending: Pending, inode: number, unit: number) => boolean;
};

/** A disk beneath a page cache: takes operations one after the other, and says what a crash at this moment would leave. */
export class DiskModel {
  readonly #root: string;
  readonly #files = new Map<number, Stored>();
  readonly #folders = new Map<string, Map<string, Target>>();
  #pending: Pending[] = [];
  #index = 0;

  constructor(root: string) {
    this.#root = root;
  }

  apply(operation: DiskOperation): void {
    const index = this.#index++;
    if (operation.kind === 'mark') return;
    if (operation.kind !== 'sync') {
      this.#pending.push({ operation, index });
      return;
    }
    const { target, began } = operation;
    const kept: Pending[] = [];
    for (const pending of this.#pending) {
      if (pending.index >= began || !concerns(pending.operation, target)) {
        kept.push(pending);
        continue;
      }
      this.#store(pending, kept);
    }
    this.#pending = kept;
  }

  /** Puts one operation on stable storage. */
  #store({ operation }: Pending, kept: Pending[]): void {
    if (operation.kind === 'link' || operation.kind === 'unlink' || operation.kind === 'rename') {
      enter(this.#folders, operation);
      if (operation.kind !== 'rename') return;
      // The old name goes with it: that the file was made under it no longer matters.
      const { from, target } = operation;
      const isOldName = ({ operation: other }: Pending) =>
        other.kind === 'link' && other.folder === from.folder && other.name === from.name && other.target === target;
      const at = kept.findIndex(isOldName);
      if (at >= 0) kept.splice(at, 1);
    } else if (operation.kind === 'write' || operation.kind === 'truncate' || operation.kind === 'touch') {
      const file = this.#files.get(operation.inode) ?? { bytes: Buffer.alloc(0), size: 0, isEpoch: false };
      this.#files.set(operation.inode, changed(file, operation));
    }
  }

  crash(mode: CrashMode, random: Random): DiskState {
    const choice = choose(mode, random, this.#pending);
    const folders = new Map([...this.#folders].map(([path, names]) => [path, new Map(names)]));
    const byInode = new Map<number, Pending[]>();
    for (const pending of this.#pending) {
      const { operation } = pending;
      if (operation.kind === 'link' || operation.kind === 'unlink' || operation.kind === 'rename') {
        if (choice.hasEntry(pending)) enter(folders, operation);
      } else if ('inode' in operation) {
        const list = byInode.get(operation.inode) ?? [];
        list.push(pending);
        byInode.set(operation.inode, list);
      }
    }
    const state: DiskState = { folders: [], files: new Map() };
    const visit = (folder: string): void => {
      for (const [name, target] of folders.get(folder) ?? []) {
        const path = `${folder}/${name}`;
        const relative = path.slice(this.#root.length + 1);
        if (typeof target === 'number')
          state.files.set(relative, this.#content(target, byInode.get(target) ?? [], choice));
        else {
          state.folders.push(relative);
          visit(path);
        }
      }
    };
    visit(this.#root);
    return state;
  }

  #content(inode: number, pending: readonly Pending[], choice: Choice): FileContent {
    const stored = this.#files.get(inode) ?? { bytes: Buffer.alloc(0), size: 0, isEpoch: false };
    if (pending.length === 0) return { bytes: stored.bytes.subarray(0, stored.size), isEpoch: stored.isEpoch };
    let file: Stored = { ...stored, bytes: Buffer.from(stored.bytes) };
    let { isEpoch } = stored;
    for (const one of pending) {
      const { operation } = one;
      const hasSize = choice.hasSize(one, inode);
      if (operation.kind === 'write') {
        if (hasSize) {
          isEpoch = false;
          file = grown(file, operation.position + operation.bytes.length);
        }
        for (const [unit, part] of unitsOf(operation, choice.unitBytes))
          if (choice.hasUnit(one, inode, unit)) file = changed(file, part);
      } else if (hasSize && operation.kind === 'truncate') file = changed(file, operation);
      else if (hasSize && operation.kind === 'touch') isEpoch = operation.isEpoch;
    }
    return { bytes: file.bytes.subarray(0, file.size), isEpoch };
  }
}

function concerns(operation: DiskOperation, target: Target): boolean {
  if ('inode' in operation) return operation.inode === target;
  return 'folder' in operation && operation.folder === target;
}

function enter(
  folders: Map<string, Map<string, Target>>,
  operation: Extract<DiskOperation, { kind: 'link' | 'unlink' | 'rename' }>,
): void {
  const names = (folder: string) => {
    const known = folders.get(folder) ?? new Map<string, Target>();
    folders.set(folder, known);
    return known;
  };
  if (operation.kind === 'unlink') names(operation.folder).delete(operation.name);
  else names(operation.folder).set(operation.name, operation.target);
  if (operation.kind === 'rename') names(operation.from.folder).delete(operation.from.name);
}

type FileChange = Extract<DiskOperation, { kind: 'write' | 'truncate' | 'touch' }>;

function changed(file: Stored, operation: FileChange): Stored {
  if (operation.kind === 'touch') return { ...file, isEpoch: operation.isEpoch };
  if (operation.kind === 'truncate') {
    if (operation.size > file.size) return grown(file, operation.size);
    file.bytes.fill(0, operation.size, file.size);
    return { ...file, size: operation.size, isEpoch: false };
  }
  const next = grown(file, operation.position + operation.bytes.length);
  next.bytes.set(operation.bytes, operation.position);
  return { ...next, isEpoch: false };
}

function grown(file: Stored, size: number): Stored {
  if (size <= file.size) return file;
  if (size <= file.bytes.length) return { ...file, size };
  const bytes = Buffer.alloc(Math.max(size, 2 * file.bytes.length));
  bytes.set(file.bytes.subarray(0, file.size));
  return { ...file, bytes, size };
}

type Write = Extract<DiskOperation, { kind: 'write' }>;

function* unitsOf(write: Write, unitBytes: number): Iterable<[number, Write]> {
  const { position, bytes } = write;
  const end = position + bytes.length;
  for (let at = position; at < end; ) {
    const unit = Math.floor(at / unitBytes);
    const next = Math.min(end, (unit + 1) * unitBytes);
    yield [unit, { ...write, position: at, bytes: bytes.subarray(at - position, next - position) }];
    at = next;
  }
}

function choose(mode: CrashMode, random: Random, pending: readonly Pending[]): Choice {
  const all: Choice = { hasEntry: () => true, hasSize: () => true, unitBytes: PAGE_BYTES, hasUnit: () => true };
  const first = pending[0]?.index ?? 0;
  const span = (pending.at(-1)?.index ?? 0) + 1 - first;
  const moment = () => first + Math.floor(random() * (span + 1));
  switch (mode) {
    case 'killed':
      return all;
    case 'synced':
      return { ...all, hasEntry: () => false, hasSize: () => false, hasUnit: () => false };
    case 'zeros':
      return { ...all, hasUnit: () => false };
    case 'journal': {
      const last = moment();
      const isBefore = ({ index }: Pending) => index < last;
      const isTorn = ({ index }: Pending) => index === last;
      // A drive writes the sectors of one command in order, or not.
      const kept = random() < 0.5 ? createTimes(() => Number(random() < 0.5)) : undefined;
      const until = Math.floor(random() * 8);
      const hasUnit = (one: Pending, inode: number, unit: number) =>
        isBefore(one) || (isTorn(one) && (kept ? kept(`${inode} ${unit}`) === 1 : unit % 8 < until));
      return { hasEntry: isBefore, hasSize: isBefore, unitBytes: SECTOR_BYTES, hasUnit };
    }
    case 'pages':
    case 'any': {
      const unitTimes = createTimes(moment);
      const sizeTimes = createTimes(moment);
      const entryTimes = createTimes(moment);
      return {
        hasEntry: ({ operation, index }) =>
          mode === 'any' ? random() < 0.5 : 'folder' in operation && index < entryTimes(operation.folder),
        hasSize: ({ index }, inode) => index < sizeTimes(`${inode}`),
        unitBytes: random() < 0.3 ? SECTOR_BYTES : PAGE_BYTES,
        hasUnit: ({ index }, inode, unit) => index < unitTimes(`${inode} ${unit}`),
      };
    }
  }
}

function createTimes(make: () => number): (key: string) => number {
  const times = new Map<string, number>();
  return (key) => {
    const time = times.get(key) ?? make();
    times.set(key, time);
    return time;
  };
}
