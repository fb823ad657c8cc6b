import type { BlobReader, BlobStore } from '../blobs/ports.ts';
import { type ErofsFile, type ErofsReader, openErofs } from '../layers/erofs/index.ts';
import type { LowerInode, LowerLookup } from '../layers/index.ts';
import type { Digest } from '../lib/digest.ts';

type Place = { reader: ErofsReader; file: ErofsFile };

/**
 * Opens the blobs of the layers below (bottom first) as the one tree that overlayfs would show: upper hides lower, whiteouts
 * and opaque directories hide what is below them. Close it after use.
 */
export async function openLowerLayers(
  keys: readonly Digest[],
  blobs: BlobStore,
): Promise<{ lookup: LowerLookup; close(): Promise<void> }> {
  const opened: BlobReader[] = [];
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
    return { lookup: (path) => lookUp(roots, path), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function lookUp(roots: readonly Place[], path: string): Promise<LowerInode | undefined> {
  let merged: readonly Place[] = roots;
  for (const name of path === '' ? [] : path.split('/')) merged = await stepInto(merged, name);
  const [top] = merged;
  return top && lowerInode(top);
}

/** What the merged directories have under the name: the uppermost entry first, and the directories below it that it merges with. */
async function stepInto(directories: readonly Place[], name: string): Promise<Place[]> {
  const found: Place[] = [];
  for (const { reader, file } of directories) {
    if (file.kind !== 'directory') break;
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
  for await (const entry of reader.list(directory)) if (entry.name === name) return reader.inode(entry.nid);
  return undefined;
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
