import { LarderError } from '../lib/errors.ts';
import type { ByteString, Inode, InodeAttributes, InodeId } from './erofs/index.ts';
import type { FileDataWriter } from './file-data.ts';
import { cleanPath, invalid, type LayerTree, type LowerLink } from './layer-tree.ts';

/** What the layers below have at a path, stacked as overlayfs shows them. */
export type LowerInode = InodeAttributes &
  (
    | { kind: 'directory' }
    | { kind: 'file'; size: number; data: AsyncIterable<Uint8Array> }
    | { kind: 'symlink'; target: ByteString }
    | { kind: 'character' | 'block' | 'fifo'; major: number; minor: number }
  );

/** Looks a path (no leading slash, bytes as latin1; '' is the root) up in the layers below; undefined where they have nothing. */
export type LowerLookup = (path: ByteString) => Promise<LowerInode | undefined>;

/**
 * Answers what a layer can't know alone.
 * - A hard link to a file of a lower layer: the file is copied up, to the link's name and, so that the two stay one inode, to
 *   the target's too, unless this layer has something there.
 * - A directory that the tar doesn't name. Where a lower layer has a symlink, its entries go where that leads, as unpackers
 *   put them. Where it has a directory, that one's owner and mode are taken: in an overlay the uppermost counts. Without a
 *   lower one, and with nothing in it but whiteouts, it goes.
 */
export async function resolveLower(options: {
  tree: LayerTree;
  lookup: LowerLookup;
  files: FileDataWriter;
}): Promise<void> {
  const { tree, lookup } = options;
  await copyLinks(options);
  while (await graftOne(tree, lookup)) {
    // Where the symlink leads, there may be another.
  }
  // Children first, so that a directory that is emptied goes, too.
  for (const { directory, path, parent, name } of (await tree.implicitDirectories()).toReversed()) {
    const lower = await lookup(path);
    if (lower?.kind === 'directory') {
      const xattrs = lower.xattrs.filter((xattr) => !xattr.name.startsWith('trusted.overlay.'));
      tree.files.setAttributes(directory, { ...lower, xattrs });
    } else if (parent !== directory && tree.isEmpty(directory)) {
      tree.files.delete(parent, name);
    }
  }
}

async function copyLinks(options: { tree: LayerTree; lookup: LowerLookup; files: FileDataWriter }): Promise<void> {
  const { tree, lookup, files } = options;
  // All of them first: what is placed below changes the tree.
  const links = [...tree.lowerLinks()];
  const copied = new Set<InodeId>();
  for (const { inode, path, target } of links) {
    if (copied.has(inode)) continue;
    copied.add(inode);
    tree.files.become(inode, await copyUp(target, path, lookup, files));
    if (tree.get(cleanPath(target)) === undefined) tree.placeLink(cleanPath(target), inode);
  }
}

async function graftOne(tree: LayerTree, lookup: LowerLookup): Promise<boolean> {
  for (const implicit of await tree.implicitDirectories()) {
    if (implicit.directory === tree.root || tree.isOpaque(implicit.directory)) continue;
    const lower = await lookup(implicit.path);
    if (lower?.kind !== 'symlink') continue;
    tree.graft(implicit, lower.target);
    return true;
  }
  return false;
}

export function missingLink({ path, target }: LowerLink): LarderError {
  return new LarderError(
    'layers.link-outside-layer',
    `${JSON.stringify(path)} is a hard link to ${JSON.stringify(target)}, which is not in this layer`,
    { facts: { path, target } },
  );
}

async function copyUp(
  target: ByteString,
  path: ByteString,
  lookup: LowerLookup,
  files: FileDataWriter,
): Promise<Inode> {
  const lower = await lookup(target);
  if (!lower) throw invalid('a hard link to nothing', path);
  switch (lower.kind) {
    case 'directory':
      throw invalid('a hard link to a directory', path);
    case 'symlink':
      return lower;
    case 'file': {
      const data = files.begin(lower.size, lower.xattrs);
      let bytesLeft = lower.size;
      for await (const bytes of lower.data) {
        bytesLeft -= bytes.length;
        if (bytesLeft < 0) break;
        files.append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
        if (files.isFull) await files.flush();
      }
      if (bytesLeft !== 0) throw invalid('a hard link to a file that changed its size', path);
      return { ...lower, data };
    }
    case 'character':
    case 'block':
    case 'fifo':
      break;
  }
  return lower;
}
