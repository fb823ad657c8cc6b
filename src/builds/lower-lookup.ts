import type { BlobReader, BlobStore } from '../blobs/ports.ts';
import { type ErofsFile, type ErofsReader, IMPLICIT_ROOT, openErofs } from '../layers/erofs/index.ts';
import { DEFAULT_LAYER_LIMITS, enforce, type LayerLimits, type LowerInode, type LowerLookup } from '../layers/index.ts';
import type { Digest } from '../lib/digest.ts';

type Place = { reader: ErofsReader; file: ErofsFile };
type Budget = { used: number; readonly limits: LayerLimits };

/**
 * Opens the blobs of the layers below (bottom first) as the one tree that overlayfs would show: upper hides lower, whiteouts
 * and opaque directories hide what is below them. Close it after use.
 */
export async function openLowerLayers(
  keys: readonly Digest[],
  blobs: BlobStore,
  limits: LayerLimits = DEFAULT_LAYER_LIMITS,
): Promise<{ lookup: LowerLookup; close(): Promise<void> }> {
  const opened: BlobReader[] = [];
  const budget: Budget = { used: 0, limits };
  const close = async () => {
    await Promise.all(opened.map((blob) => blob.close()));
  };
  try {
    const roots: Place[] = [];
    for (const key of keys.toReversed()) {
      const blob = await blobs.open(key);
      opened.push(blob);
      const reader = await openErofs((position, length) => blob.read(position, length));
      roots.push({ reader, file: reader.root });
    }
    return { lookup: (path) => lookUp(roots, path, budget), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Symlinks of the layers in the path's parents are followed, inside the layers; the last name's is not. */
async function lookUp(roots: readonly Place[], path: string, budget: Budget): Promise<LowerInode | undefined> {
  if (path === '') {
    const named = roots.find(({ reader }) => reader.volumeName !== IMPLICIT_ROOT) ?? roots[0];
    return named && lowerInode(named);
  }
  const names = path.split('/').toReversed();
  let ancestors: (readonly Place[])[] = [roots];
  let symlinks = 0;
  for (let name = names.pop(); name !== undefined; name = names.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (ancestors.length > 1) ancestors.pop();
      continue;
    }
    const found = await stepInto(ancestors.at(-1) ?? roots, name, budget);
    const [top] = found;
    if (top?.file.kind === 'symlink' && names.length > 0) {
      enforce(budget.limits, 'maxSymlinks', ++symlinks);
      const target = await top.reader.readTarget(top.file);
      if (target.startsWith('/')) ancestors = [roots];
      names.push(...target.split('/').toReversed());
      continue;
    }
    ancestors.push(found);
  }
  const [top] = ancestors.at(-1) ?? [];
  return top && lowerInode(top);
}

/** What the merged directories have under the name: the uppermost entry first, and the directories below it that it merges with. */
async function stepInto(directories: readonly Place[], name: string, budget: Budget): Promise<Place[]> {
  const found: Place[] = [];
  for (const { reader, file } of directories) {
    if (file.kind !== 'directory') break;
    enforce(budget.limits, 'maxLowerLookups', ++budget.used);
    const entry = await findEntry(reader, file, name);
    if (!entry) continue;
    const isWhiteout = entry.kind === 'character' && entry.major === 0 && entry.minor === 0;
    if (isWhiteout || (found.length > 0 && entry.kind !== 'directory')) break;
    found.push({ reader, file: entry });
    if (entry.kind !== 'directory' || isOpaque(entry)) break;
  }
  return found;
}

async function findEntry(reader: ErofsReader, directory: ErofsFile, name: string): Promise<ErofsFile | undefined> {
  const nid = await reader.find(directory, name);
  return nid === undefined ? undefined : reader.inode(nid);
}

function isOpaque(directory: ErofsFile): boolean {
  return directory.xattrs.some(({ name }) => name === 'trusted.overlay.opaque');
}

async function lowerInode({ reader, file }: Place): Promise<LowerInode> {
  const { mode, uid, gid, mtimeSec, mtimeNsec, xattrs } = file;
  const attributes = { mode, uid, gid, mtimeSec, mtimeNsec, xattrs };
  switch (file.kind) {
    case 'directory':
      return { ...attributes, kind: 'directory' };
    case 'file':
      return { ...attributes, kind: 'file', size: file.size, data: reader.read(file) };
    case 'symlink':
      return { ...attributes, kind: 'symlink', target: await reader.readTarget(file) };
    case 'character':
    case 'block':
    case 'fifo':
      return { ...attributes, kind: file.kind, major: file.major, minor: file.minor };
  }
}
