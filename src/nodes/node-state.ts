import { mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { type Attachment, readAttachments, removeAttachment } from './attachments.ts';
import { isMountPoint, unmountLayers } from './layer-mounts.ts';
import { isOurs, sourceOf } from './mount-source.ts';
import { mountTable } from './mount-table.ts';
import { removeLeftovers } from './remove-leftovers.ts';

/** Where a node keeps its mounts, all below the data folder. */
export type NodeFolders = {
  readonly data: string;
  readonly root: string;
  /** Mount points of layers, named by the hex digits of their blobs' keys. */
  readonly layers: string;
  /** One record per attachment. */
  readonly attached: string;
  /** Upper directories of writable attachments, one folder each. */
  readonly scratch: string;
  readonly lock: string;
};

/** Makes the folders, closed to others: set-user-id files of images lie below. Throws `nodes.not-root`, `nodes.data-missing`. */
export function openNodeFolders(dataDirectory: string): NodeFolders {
  if (process.getuid?.() !== 0) {
    throw new LarderError('nodes.not-root', `mounting takes root: run it with sudo, and --data ${dataDirectory}`);
  }
  const data = realData(dataDirectory);
  const root = join(data, 'mounts');
  const folders = {
    data,
    root,
    layers: join(root, 'layers'),
    attached: join(root, 'attached'),
    scratch: join(root, 'scratch'),
    lock: join(root, 'lock'),
  };
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const folder of [folders.layers, folders.attached, folders.scratch]) mkdirSync(folder, { recursive: true });
  return folders;
}

function realData(dataDirectory: string): string {
  try {
    return realpathSync(dataDirectory);
  } catch (cause) {
    throw new LarderError('nodes.data-missing', `no data folder ${dataDirectory}; --data names the server's`, {
      cause,
    });
  }
}

/**
 * Whether something is left of a command that was killed: a record whose directory shows no mount, or a layer or a scratch
 * folder that no record names. A look at the records and two folders; the mount table, which is long, is not read.
 */
export function hasLeftovers(folders: NodeFolders, attachments: readonly Attachment[]): boolean {
  if (attachments.some((attachment) => !isMountPoint(attachment.directory))) return true;
  const layers = new Set(attachments.flatMap((attachment) => attachment.layers));
  if (readdirSync(folders.layers).some((name) => !layers.has(name))) return true;
  const ids = new Set(attachments.map((attachment) => attachment.id));
  return readdirSync(folders.scratch).some((name) => !ids.has(name));
}

/**
 * Brings records and mounts together, under the lock: takes back attachments without a mount (a crash, a reboot, an umount by
 * hand) and unmounts layers that no record names. A layer under an overlay without a record may go as well: the overlay
 * holds the file system itself, not its mount point.
 */
export async function sweep(folders: NodeFolders): Promise<void> {
  const mounts = await mountTable();
  const ours = new Set(mounts.filter(isOurs).map((entry) => entry.source));
  const needed = new Set<string>();
  for (const attachment of readAttachments(folders.attached)) {
    const gone = !ours.has(sourceOf(attachment)) && (await removeLeftovers(attachment));
    if (gone) removeAttachment(folders.attached, attachment.id);
    else for (const layer of attachment.layers) needed.add(layer);
  }
  await removeUnnamedScratch(folders, ours);
  const mounted = mounts.map((entry) => entry.mountPoint).filter((path) => dirname(path) === folders.layers);
  // A folder without a mount is a killed command's, too.
  const paths = new Set([...mounted, ...readdirSync(folders.layers).map((name) => join(folders.layers, name))]);
  await unmountLayers([...paths].filter((path) => !needed.has(path.slice(folders.layers.length + 1))));
}

/** Scratch folders whose record is lost; they bear the ids of their attachments. */
async function removeUnnamedScratch(folders: NodeFolders, ours: ReadonlySet<string>): Promise<void> {
  const ids = new Set(readAttachments(folders.attached).map((attachment) => attachment.id));
  for (const id of readdirSync(folders.scratch)) {
    if (ids.has(id) || ours.has(sourceOf({ id }))) continue;
    await removeLeftovers({ id, scratch: join(folders.scratch, id) });
  }
}
