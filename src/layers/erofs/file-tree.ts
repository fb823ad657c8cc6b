import { ByteStore } from './byte-store.ts';
import { Column } from './column.ts';
import type { ByteString, ChunkMap, FileData, Inode, InodeAttributes, InodeKind, Xattr } from './inode.ts';
import { encodeXattrs } from './xattr-area.ts';

/** An inode's index in its tree. */
export type InodeId = number;

const KINDS: readonly InodeKind[] = ['directory', 'file', 'symlink', 'character', 'block', 'fifo'];
const KIND_INDEX = { directory: 0, file: 1, symlink: 2, character: 3, block: 4, fifo: 5 } as const;
/** From here on V8 cuts a string out of another by pointing into it (SlicedString::kMinLength). */
const MIN_SLICE = 13;
const NO_ENTRIES: ReadonlyMap<ByteString, InodeId> = new Map();

/**
 * A file system tree in memory, of half a million inodes, too: inodes are rows of columns, about 60 bytes each where
 * objects took 370 with all that the collector had yet to find. Names alone are V8's. Two names for one inode are a hard link.
 */
export class FileTree implements Disposable {
  readonly kind = new Column(Uint8Array);
  readonly mode = new Column(Uint16Array);
  readonly uid = new Column(Uint32Array);
  readonly gid = new Column(Uint32Array);
  readonly mtimeSec = new Column(Float64Array);
  readonly mtimeNsec = new Column(Uint32Array);
  /** Of a file or a target; the writer's, of a directory: bytes of the encoded entries. */
  readonly size = new Column(Float64Array);
  /** Of a file its first block; the writer's, of a directory or symlink: counted from the start of the body blocks. */
  readonly firstBlock = new Column(Uint32Array);
  readonly major = new Column(Uint32Array);
  readonly minor = new Column(Uint32Array);
  /** Of a file whose tail lies behind its inode: one more than the slot in the area of such inodes; else 0. */
  readonly packed = new Column(Uint32Array);
  /** Of files with holes. */
  readonly chunkMaps = new Map<InodeId, ChunkMap>();
  /** The writer's: the inode's number; 0 before it has a place, and of the root. */
  readonly nid = new Column(Uint32Array);
  /** The writer's: how many names the inode has. */
  readonly links = new Column(Uint32Array);
  /** The writer's: the directory that holds the directory; of the root its own. */
  readonly parent = new Column(Uint32Array);
  /** The writer's: 1 when the last, partial block of a directory or symlink lies behind the inode. */
  readonly inlineTail = new Column(Uint8Array);

  readonly root: InodeId;
  #count = 0;
  readonly #xattrs = new Column(Uint32Array);
  readonly #target = new Column(Uint32Array);
  readonly #bytes = new ByteStore();
  readonly #entries = new Map<InodeId, Map<ByteString, InodeId>>();

  constructor(root: InodeAttributes) {
    this.root = this.add({ ...root, kind: 'directory' });
  }

  add(inode: Inode): InodeId {
    const id = this.#count++;
    this.become(id, inode);
    return id;
  }

  /** All names of the inode are names of this one from now on. */
  become(id: InodeId, inode: Inode): void {
    this.kind.set(id, KIND_INDEX[inode.kind]);
    this.setAttributes(id, inode);
    if (inode.kind === 'file') {
      this.size.set(id, inode.size);
      this.#setData(id, inode.data);
    } else if (inode.kind === 'symlink') {
      this.size.set(id, inode.target.length);
      this.#target.set(id, this.#bytes.add(inode.target));
    } else if (inode.kind !== 'directory') {
      this.major.set(id, inode.major);
      this.minor.set(id, inode.minor);
    }
  }

  setAttributes(id: InodeId, { mode, uid, gid, mtimeSec, mtimeNsec, xattrs }: InodeAttributes): void {
    this.mode.set(id, mode);
    this.uid.set(id, uid);
    this.gid.set(id, gid);
    this.mtimeSec.set(id, mtimeSec);
    this.mtimeNsec.set(id, mtimeNsec);
    this.#xattrs.set(id, xattrs.length === 0 ? 0 : this.#bytes.add(encodeXattrs(xattrs)));
  }

  copyAttributes(from: InodeId, to: InodeId): void {
    const columns = [this.mode, this.uid, this.gid, this.mtimeSec, this.mtimeNsec, this.#xattrs];
    for (const column of columns) column.set(to, column.get(from));
  }

  addXattr(id: InodeId, xattr: Xattr): void {
    this.#xattrs.set(id, this.#bytes.add(encodeXattrs([xattr], this.xattrArea(id))));
  }

  kindOf(id: InodeId): InodeKind {
    return KINDS[this.kind.get(id)] ?? 'fifo';
  }

  isDirectory(id: InodeId | undefined): id is InodeId {
    return id !== undefined && this.kind.get(id) === KIND_INDEX.directory;
  }

  /** Of a symlink. */
  target(id: InodeId): Buffer {
    return this.#bytes.get(this.#target.get(id));
  }

  /** The extended attributes as they are written; empty when there are none. */
  xattrArea(id: InodeId): Buffer {
    return this.#bytes.get(this.#xattrs.get(id));
  }

  /** Inodes that were added, those that have no name any more among them. */
  get count(): number {
    return this.#count;
  }

  /** Of a directory, in the order in which they came, or of the names once they are sorted. */
  entries(directory: InodeId): ReadonlyMap<ByteString, InodeId> {
    return this.#entries.get(directory) ?? NO_ENTRIES;
  }

  get(directory: InodeId, name: ByteString): InodeId | undefined {
    return this.#entries.get(directory)?.get(name);
  }

  set(directory: InodeId, name: ByteString, id: InodeId): void {
    let entries = this.#entries.get(directory);
    if (!entries) {
      entries = new Map();
      this.#entries.set(directory, entries);
    }
    // A slice keeps the whole path.
    const isNew = name.length >= MIN_SLICE && !entries.has(name);
    entries.set(isNew ? Buffer.from(name, 'latin1').toString('latin1') : name, id);
  }

  /** Puts the entries of a directory in the order of their names; they are kept so, as a list of them would be as large again. */
  sort(directory: InodeId): void {
    const entries = this.entries(directory);
    if (isSorted(entries.keys())) return;
    const sorted = new Map<ByteString, InodeId>();
    for (const name of [...entries.keys()].toSorted()) sorted.set(name, entries.get(name) ?? 0);
    this.#entries.set(directory, sorted);
  }

  delete(directory: InodeId, name: ByteString): void {
    this.#entries.get(directory)?.delete(name);
  }

  #setData(id: InodeId, data: FileData): void {
    if (typeof data === 'number') {
      this.firstBlock.set(id, data);
    } else if ('slot' in data) {
      this.firstBlock.set(id, data.firstBlock);
      this.packed.set(id, data.slot + 1);
    } else {
      this.chunkMaps.set(id, data);
    }
  }

  /** Gives the memory back at once: a large tree that waits for the collector would stand beside the next one. */
  [Symbol.dispose](): void {
    for (const part of Object.values(this)) if (part instanceof Column) part.free();
    for (const part of [this.#xattrs, this.#target, this.#bytes]) part.free();
    this.#entries.clear();
  }
}

function isSorted(names: Iterable<ByteString>): boolean {
  let last = '';
  for (const name of names) {
    if (name < last) return false;
    last = name;
  }
  return true;
}
