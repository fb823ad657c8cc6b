import { LarderError } from '../lib/errors.ts';
import {
  type ByteString,
  type Directory,
  type Inode,
  type InodeAttributes,
  NO_XATTRS,
  newDirectory,
  newSpecialFile,
} from './erofs/index.ts';
import { enforce, type LayerLimits } from './limits.ts';
import { HAS_WHITEOUTS, OPAQUE } from './xattrs.ts';

/** Symlinks followed on the way to one parent: path_resolution(7) stops at 40, umoci's securejoin at 255. */
const MAX_SYMLINKS = 255;

/** What a directory that the tar doesn't name gets: umoci's mode, and a time that is the same on every machine. */
const IMPLICIT: InodeAttributes = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0, xattrs: NO_XATTRS };
const NOTHING: InodeAttributes = { ...IMPLICIT, mode: 0 };

/** An entry of the finished tree that lower layers have to answer for. */
export type LowerLink = { directory: Directory; name: ByteString; path: ByteString; target: ByteString };
export type ImplicitDirectory = { directory: Directory; path: ByteString; parent: Directory; name: ByteString };

/**
 * The tree of one layer as the tar's entries build it, later ones replacing earlier ones. Paths are resolved in here as in
 * a chroot: `..` stops at the root, symlinks of the layer are followed inside it (umoci does so too), nothing escapes,
 * for there is nothing outside.
 */
export class LayerTree {
  readonly root = newDirectory(IMPLICIT);
  readonly #limits: LayerLimits;
  #inodes = 0;
  #directoryCount = 0;
  #lookups = 0;
  #grafts = 0;
  /** Directories that no entry named. */
  readonly #implicit = new Set<Directory>([this.root]);
  readonly #opaque = new Set<Directory>();
  /** All whiteouts are one inode, as overlayfs makes them. */
  readonly #whiteout = newSpecialFile(NOTHING, 'character', { major: 0, minor: 0 });
  /** Stand-ins for inodes of lower layers that have a hard link here, by their path there. */
  readonly #lowerInodes = new Map<ByteString, Inode>();
  readonly #lowerTargets = new Map<Inode, ByteString>();

  constructor(limits: LayerLimits) {
    this.#limits = limits;
  }

  get isRootOpaque(): boolean {
    return this.#opaque.has(this.root);
  }

  /** One more entry, or directory that none names: all of them are kept in memory. */
  count(isDirectory: boolean): void {
    enforce(this.#limits, 'maxEntries', ++this.#inodes);
    if (isDirectory) enforce(this.#limits, 'maxDirectories', ++this.#directoryCount);
  }

  /** Puts an inode at a path; a directory that is there already keeps its entries and takes the new attributes. */
  place(path: readonly ByteString[], inode: Inode): void {
    const name = path.at(-1);
    if (name === undefined) {
      if (inode.kind !== 'directory') throw invalid('a root that is no directory', '/');
      this.#redeclare(this.root, inode);
      return;
    }
    const parent = this.#walk(path.slice(0, -1));
    const existing = parent.entries.get(name);
    if (inode.kind === 'directory' && existing?.kind === 'directory') {
      this.#redeclare(existing, inode);
      return;
    }
    // What replaced a lower directory here, and is a directory again, must not show the lower one's entries.
    if (inode.kind === 'directory' && existing) this.#opaque.add(inode);
    parent.entries.set(name, inode);
  }

  /** A hard link; the target's last name is not followed. Without the target in this layer, a lower one must have it. */
  link(path: readonly ByteString[], target: readonly ByteString[]): void {
    const name = target.at(-1);
    const parent = this.#find(target.slice(0, -1));
    const inode = name === undefined ? this.root : parent?.entries.get(name);
    if (inode?.kind === 'directory') throw invalid('a hard link to a directory', path.join('/'));
    this.place(path, inode && inode !== this.#whiteout ? inode : this.#lowerInode(target.join('/')));
  }

  /** Deletes a name of lower layers; what this layer has there stays, before or after (image-spec layer.md, "Whiteouts"). */
  whiteOut(path: readonly ByteString[]): void {
    const parent = this.#walk(path.slice(0, -1));
    const name = path.at(-1) ?? '';
    const existing = parent.entries.get(name);
    if (existing?.kind === 'directory' && !this.#isOnlyWhiteouts(existing)) this.#opaque.add(existing);
    else if (!existing || existing.kind === 'directory') parent.entries.set(name, this.#whiteout);
  }

  /** A character device 0:0 of the tar: overlayfs takes it for a whiteout, wherever it came from, so it is made one. */
  placeWhiteoutDevice(path: readonly ByteString[]): void {
    this.place(path, this.#whiteout);
  }

  /** Hides all that lower layers have in a directory. */
  makeOpaque(path: readonly ByteString[]): void {
    this.#opaque.add(this.#walk(path));
  }

  /** Links to files that only lower layers can have. */
  lowerLinks(): LowerLink[] {
    const links: LowerLink[] = [];
    for (const { directory, path } of this.#directories()) {
      for (const [name, inode] of directory.entries) {
        const target = this.#lowerTargets.get(inode);
        if (target !== undefined) links.push({ directory, name, path: join(path, name), target });
      }
    }
    return links;
  }

  /** Directories that the tar doesn't name, parents first; the root is one of them, as its own parent. */
  implicitDirectories(): ImplicitDirectory[] {
    const all = [...this.#directories()];
    return all.filter(({ directory }) => this.#implicit.has(directory));
  }

  /** Whether nothing of lower layers shows in the directory. */
  isOpaque(directory: Directory): boolean {
    return this.#opaque.has(directory);
  }

  /** A lower layer has a symlink where this layer has an implicit directory: what is in it goes where the symlink leads. */
  graft(at: ImplicitDirectory, target: ByteString): void {
    if (++this.#grafts > MAX_SYMLINKS) throw invalid('too many symlinks of lower layers', at.path);
    at.parent.entries.delete(at.name);
    const base = target.startsWith('/') ? [] : at.path.split('/').slice(0, -1);
    this.#merge(at.directory, this.#walk([...base, ...target.split('/')]));
  }

  #merge(from: Directory, into: Directory): void {
    for (const [name, inode] of from.entries) {
      const existing = into.entries.get(name);
      if (inode.kind === 'directory' && existing?.kind === 'directory') {
        if (!this.#implicit.has(inode)) this.#redeclare(existing, inode);
        this.#merge(inode, existing);
      } else if (inode !== this.#whiteout || existing === undefined) {
        into.entries.set(name, inode);
      }
    }
  }

  *#directories(): Generator<ImplicitDirectory & { isHidden: boolean }> {
    const pending = [{ directory: this.root, path: '', parent: this.root, name: '', isHidden: false }];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const { directory: parent, path } = next;
      const isHidden = next.isHidden || this.#opaque.has(parent);
      yield { ...next, isHidden };
      for (const [name, inode] of parent.entries) {
        if (inode.kind === 'directory')
          pending.push({ directory: inode, path: join(path, name), parent, name, isHidden });
      }
    }
  }

  /**
   * Completes the tree: marks opaque directories and those that hold whiteouts, and drops whiteouts in opaque ones, which
   * overlayfs would list. Called once, when nothing is added any more.
   */
  finish(): void {
    for (const { directory, isHidden } of this.#directories()) {
      if (this.#opaque.has(directory)) directory.xattrs = [...directory.xattrs, OPAQUE];
      let hasWhiteouts = false;
      for (const [name, inode] of directory.entries) {
        if (inode !== this.#whiteout) continue;
        if (isHidden) directory.entries.delete(name);
        else hasWhiteouts = true;
      }
      if (hasWhiteouts) directory.xattrs = [...directory.xattrs, HAS_WHITEOUTS];
    }
  }

  /** The inode at a path, symlinks in its parents followed; whiteouts count as one. */
  get(path: readonly ByteString[]): Inode | undefined {
    const name = path.at(-1);
    return name === undefined ? this.root : this.#find(path.slice(0, -1))?.entries.get(name);
  }

  /** Whether a directory is here for the sake of whiteouts alone. */
  #isOnlyWhiteouts(directory: Directory): boolean {
    const pending = [directory];
    for (let next = pending.pop(); next; next = pending.pop()) {
      if (!this.#implicit.has(next) || this.#opaque.has(next)) return false;
      for (const inode of next.entries.values()) {
        if (inode.kind === 'directory') pending.push(inode);
        else if (inode !== this.#whiteout) return false;
      }
    }
    return true;
  }

  #redeclare(directory: Directory, from: Directory): void {
    const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = from;
    Object.assign(directory, { mode, uid, gid, mtimeSec, mtimeNsec, xattrs });
    this.#implicit.delete(directory);
  }

  #lowerInode(target: ByteString): Inode {
    const known = this.#lowerInodes.get(target);
    if (known) return known;
    const inode = newSpecialFile(NOTHING, 'fifo', { major: 0, minor: 0 });
    this.#lowerInodes.set(target, inode);
    this.#lowerTargets.set(inode, target);
    return inode;
  }

  #find(path: readonly ByteString[]): Directory | undefined {
    return this.#resolve(path, () => undefined);
  }

  /** The directory at a path; what is missing, or no directory, becomes one. */
  #walk(path: readonly ByteString[]): Directory {
    const found = this.#resolve(path, (parent, name, existing) => {
      this.count(true);
      const directory = newDirectory(IMPLICIT);
      this.#implicit.add(directory);
      if (existing) this.#opaque.add(directory);
      parent.entries.set(name, directory);
      return directory;
    });
    return found ?? this.root;
  }

  #resolve(
    path: readonly ByteString[],
    create: (parent: Directory, name: ByteString, existing: Inode | undefined) => Directory | undefined,
  ): Directory | undefined {
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
      const inode = parent.entries.get(name);
      if (inode?.kind === 'symlink') {
        if (++symlinks > MAX_SYMLINKS) throw invalid('too many symlinks', path.join('/'));
        if (inode.target.startsWith('/')) ancestors = [this.root];
        names.push(...inode.target.split('/').toReversed());
        continue;
      }
      if (name.length > this.#limits.maxNameBytes) enforce(this.#limits, 'maxNameBytes', name.length);
      const directory = inode?.kind === 'directory' ? inode : create(parent, name, inode);
      if (!directory) return undefined;
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
