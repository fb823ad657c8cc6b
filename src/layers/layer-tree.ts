import { LarderError } from '../lib/errors.ts';
import { createTurns } from '../lib/turns.ts';
import { type ByteString, FileTree, type Inode, type InodeAttributes, type InodeId, NO_XATTRS } from './erofs/index.ts';
import { enforce, type LayerLimits } from './limits.ts';
import { HAS_WHITEOUTS, OPAQUE } from './xattrs.ts';

/** What a directory that the tar doesn't name gets: umoci's mode, and a time that is the same on every machine. */
const IMPLICIT: InodeAttributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: NO_XATTRS };
const WHITEOUT: Inode = { ...IMPLICIT, mode: 0, kind: 'character', major: 0, minor: 0 };
const STAND_IN: Inode = { ...IMPLICIT, mode: 0, kind: 'fifo', major: 0, minor: 0 };

/** An entry of the finished tree that lower layers have to answer for. */
export type LowerLink = { inode: InodeId; path: ByteString; target: ByteString };
export type ImplicitDirectory = { directory: InodeId; path: ByteString; parent: InodeId; name: ByteString };

/**
 * The tree of one layer as the tar's entries build it, later ones replacing earlier ones. Paths are resolved in here as in
 * a chroot: `..` stops at the root, symlinks of the layer are followed inside it (umoci does so too), nothing escapes,
 * for there is nothing outside.
 */
export class LayerTree implements Disposable {
  readonly files = new FileTree(IMPLICIT);
  readonly root = this.files.root;
  readonly #limits: LayerLimits;
  #inodes = 0;
  #directoryCount = 0;
  #lookups = 0;
  #grafts = 0;
  /** Directories that no entry named. */
  readonly #implicit = new Set<InodeId>([this.root]);
  readonly #opaque = new Set<InodeId>();
  /** All whiteouts are one inode, as overlayfs makes them. */
  readonly #whiteout = this.files.add(WHITEOUT);
  /** Stand-ins for inodes of lower layers that have a hard link here, by their path there. */
  readonly #lowerInodes = new Map<ByteString, InodeId>();
  readonly #lowerTargets = new Map<InodeId, ByteString>();

  constructor(limits: LayerLimits) {
    this.#limits = limits;
  }

  get isRootOpaque(): boolean {
    return this.#opaque.has(this.root);
  }

  get inodes(): number {
    return this.#inodes;
  }

  /** One more entry, or directory that none names: all of them are kept in memory. */
  count(isDirectory: boolean): void {
    enforce(this.#limits, 'maxEntries', ++this.#inodes);
    if (isDirectory) enforce(this.#limits, 'maxDirectories', ++this.#directoryCount);
  }

  /** Puts an inode at a path; a directory that is there already keeps its entries and takes the new attributes. */
  place(path: readonly ByteString[], inode: Inode): void {
    if (path.length === 0) {
      if (inode.kind !== 'directory') throw invalid('a root that is no directory', '/');
      this.#redeclare(this.root, inode);
      return;
    }
    const existing = this.#placeOf(path);
    if (inode.kind !== 'directory') {
      this.#put(existing, this.files.add(inode));
    } else if (this.files.isDirectory(existing.inode)) {
      this.#redeclare(existing.inode, inode);
    } else {
      const directory = this.files.add(inode);
      // What replaced a lower directory here, and is a directory again, must not show the lower one's entries.
      if (existing.inode !== undefined) this.#opaque.add(directory);
      this.#put(existing, directory);
    }
  }

  #placeOf(path: readonly ByteString[]): { parent: InodeId; name: ByteString; inode: InodeId | undefined } {
    const parent = this.#walk(path.slice(0, -1));
    const name = path.at(-1) ?? '';
    return { parent, name, inode: this.files.get(parent, name) };
  }

  #put({ parent, name }: { parent: InodeId; name: ByteString }, inode: InodeId): void {
    this.files.set(parent, name, inode);
  }

  /** A hard link; the target's last name is not followed. Without the target in this layer, a lower one must have it. */
  link(path: readonly ByteString[], target: readonly ByteString[]): void {
    const found = this.get(target);
    if (this.files.isDirectory(found)) throw invalid('a hard link to a directory', path.join('/'));
    const inode = found !== undefined && found !== this.#whiteout ? found : this.#lowerInode(target.join('/'));
    this.placeLink(path, inode);
  }

  /** One more name for an inode. */
  placeLink(path: readonly ByteString[], inode: InodeId): void {
    if (path.length === 0) throw invalid('a root that is no directory', '/');
    this.#put(this.#placeOf(path), inode);
  }

  /** Deletes a name of lower layers; what this layer has there stays, before or after (image-spec layer.md, "Whiteouts"). */
  whiteOut(path: readonly ByteString[]): void {
    const place = this.#placeOf(path);
    const existing = place.inode;
    const isDirectory = this.files.isDirectory(existing);
    if (isDirectory && !this.#isOnlyWhiteouts(existing)) this.#opaque.add(existing);
    else if (isDirectory || existing === undefined) this.#put(place, this.#whiteout);
  }

  /** A character device 0:0 of the tar: overlayfs takes it for a whiteout, wherever it came from, so it is made one. */
  placeWhiteoutDevice(path: readonly ByteString[]): void {
    this.placeLink(path, this.#whiteout);
  }

  /** Hides all that lower layers have in a directory. */
  makeOpaque(path: readonly ByteString[]): void {
    this.#opaque.add(this.#walk(path));
  }

  /** Links to files that only lower layers can have. */
  *lowerLinks(): Generator<LowerLink> {
    if (this.#lowerTargets.size === 0) return;
    for (const { directory, path } of this.#directories()) {
      for (const [name, inode] of this.files.entries(directory)) {
        const target = this.#lowerTargets.get(inode);
        if (target !== undefined) yield { inode, path: join(path, name), target };
      }
    }
  }

  /** Directories that the tar doesn't name, parents first; the root is one of them, as its own parent. */
  async implicitDirectories(): Promise<ImplicitDirectory[]> {
    const turns = createTurns();
    const found: ImplicitDirectory[] = [];
    for (const each of this.#directories()) {
      if (turns.isOver) await turns.next();
      if (this.#implicit.has(each.directory)) found.push(each);
    }
    return found;
  }

  /** Whether nothing but whiteouts is in the directory. */
  isEmpty(directory: InodeId): boolean {
    return [...this.files.entries(directory).values()].every((inode) => inode === this.#whiteout);
  }

  /** Whether nothing of lower layers shows in the directory. */
  isOpaque(directory: InodeId): boolean {
    return this.#opaque.has(directory);
  }

  /** A lower layer has a symlink where this layer has an implicit directory: what is in it goes where the symlink leads. */
  graft(at: ImplicitDirectory, target: ByteString): void {
    enforce(this.#limits, 'maxSymlinks', ++this.#grafts);
    this.files.delete(at.parent, at.name);
    const base = target.startsWith('/') ? [] : at.path.split('/').slice(0, -1);
    this.#merge(at.directory, this.#walk([...base, ...target.split('/')]));
  }

  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
  }

  #merge(from: InodeId, into: InodeId): void {
    const { files } = this;
    for (const [name, inode] of files.entries(from)) {
      const existing = files.get(into, name);
      if (files.isDirectory(inode) && files.isDirectory(existing)) {
        if (!this.#implicit.has(inode)) {
          files.copyAttributes(inode, existing);
          this.#implicit.delete(existing);
        }
        this.#merge(inode, existing);
      } else if (inode !== this.#whiteout || existing === undefined) {
        files.set(into, name, inode);
      }
    }
  }

  *#directories(): Generator<ImplicitDirectory & { isHidden: boolean }> {
    const pending = [{ directory: this.root, path: '', parent: this.root, name: '', isHidden: false }];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const { directory: parent, path } = next;
      const isHidden = next.isHidden || this.#opaque.has(parent);
      yield { ...next, isHidden };
      for (const [name, inode] of this.files.entries(parent)) {
        if (this.files.isDirectory(inode))
          pending.push({ directory: inode, path: join(path, name), parent, name, isHidden });
      }
    }
  }

  /**
   * Completes the tree: marks opaque directories and those that hold whiteouts, and drops whiteouts in opaque ones, which
   * overlayfs would list. Called once, when nothing is added any more.
   */
  async finish(): Promise<void> {
    const turns = createTurns();
    for (const { directory, isHidden } of this.#directories()) {
      if (turns.isOver) await turns.next();
      if (this.#opaque.has(directory)) this.files.addXattr(directory, OPAQUE);
      let hasWhiteouts = false;
      for (const [name, inode] of this.files.entries(directory)) {
        if (inode !== this.#whiteout) continue;
        if (isHidden) this.files.delete(directory, name);
        else hasWhiteouts = true;
      }
      if (hasWhiteouts) this.files.addXattr(directory, HAS_WHITEOUTS);
    }
  }

  /** The inode at a path, symlinks in its parents followed; whiteouts count as one. */
  get(path: readonly ByteString[]): InodeId | undefined {
    const name = path.at(-1);
    if (name === undefined) return this.root;
    const parent = this.#find(path.slice(0, -1));
    return parent === undefined ? undefined : this.files.get(parent, name);
  }

  /** Whether a directory is here for the sake of whiteouts alone. */
  #isOnlyWhiteouts(directory: InodeId): boolean {
    const pending = [directory];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (!this.#implicit.has(next) || this.#opaque.has(next)) return false;
      for (const inode of this.files.entries(next).values()) {
        if (this.files.isDirectory(inode)) pending.push(inode);
        else if (inode !== this.#whiteout) return false;
      }
    }
    return true;
  }

  #redeclare(directory: InodeId, from: InodeAttributes): void {
    this.files.setAttributes(directory, from);
    this.#implicit.delete(directory);
  }

  #lowerInode(target: ByteString): InodeId {
    const known = this.#lowerInodes.get(target);
    if (known !== undefined) return known;
    const inode = this.files.add(STAND_IN);
    this.#lowerInodes.set(target, inode);
    this.#lowerTargets.set(inode, target);
    return inode;
  }

  #find(path: readonly ByteString[]): InodeId | undefined {
    return this.#resolve(path, () => undefined);
  }

  /** The directory at a path; what is missing, or no directory, becomes one. */
  #walk(path: readonly ByteString[]): InodeId {
    const found = this.#resolve(path, (parent, name, existing) => {
      this.count(true);
      const directory = this.files.add({ ...IMPLICIT, kind: 'directory' });
      this.#implicit.add(directory);
      if (existing !== undefined) this.#opaque.add(directory);
      this.files.set(parent, name, directory);
      return directory;
    });
    return found ?? this.root;
  }

  #resolve(
    path: readonly ByteString[],
    create: (parent: InodeId, name: ByteString, existing: InodeId | undefined) => InodeId | undefined,
  ): InodeId | undefined {
    let ancestors = [this.root];
    const names = path.toReversed();
    let symlinks = 0;
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      if (++this.#lookups > this.#limits.maxLookups) enforce(this.#limits, 'maxLookups', this.#lookups);
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (ancestors.length > 1) ancestors.pop();
        continue;
      }
      const parent = ancestors.at(-1) ?? this.root;
      const inode = this.files.get(parent, name);
      if (inode !== undefined && this.files.kindOf(inode) === 'symlink') {
        enforce(this.#limits, 'maxSymlinks', ++symlinks);
        const target = this.files.target(inode).toString('latin1');
        if (target.startsWith('/')) ancestors = [this.root];
        names.push(...target.split('/').toReversed());
        continue;
      }
      if (name.length > this.#limits.maxNameBytes) enforce(this.#limits, 'maxNameBytes', name.length);
      const directory = this.files.isDirectory(inode) ? inode : create(parent, name, inode);
      if (directory === undefined) return undefined;
      ancestors.push(directory);
      enforce(this.#limits, 'maxDepth', ancestors.length);
    }
    return ancestors.at(-1);
  }
}

/** A tar's path as names from the root, cleaned as text: `..` takes the name before it away and stops at the root. */
export function cleanPath(path: ByteString): ByteString[] {
  const names: ByteString[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

export function invalid(what: string, path: ByteString): LarderError {
  return new LarderError('layers.invalid-entry', `the layer has ${what}: ${JSON.stringify(path.slice(0, 200))}`, {
    facts: { path: path.slice(0, 200) },
  });
}

function join(path: ByteString, name: ByteString): ByteString {
  return path === '' ? name : `${path}/${name}`;
}
