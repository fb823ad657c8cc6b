import { mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { type Attachment, readAttachments, removeAttachment } from './attachments.ts';
import { isMountPoint, unmountLayers } from './layer-mounts.ts';
import { closeMountFolder, openMountFolder } from './mount-folder.ts';
import { isOurs, sourceOf } from './mount-source.ts';
import { mountTable } from './mount-table.ts';
import { removeLeftovers } from './remove-leftovers.ts';

/** Where a node keeps its mounts, all below the data folder. */
export type NodeFolders = {
  readonly data: string;
  readonly root: string;
  /** What ends with the mounts, and so lies in memory, which takes a tenth of the time of a disk: the three that follow. */
  readonly run: string;
  /** Mount points of layers, named by the hex digits of their blobs' keys. */
  readonly layers: string;
  /** Directories that are stacked under or over the layers of an image. */
  readonly stacked: string;
  /** One record per attachment that leaves nothing behind when the machine stops. */
  readonly attached: string;
  /** The records of the others: those that are writable, and runtime bundles. */
  readonly lasting: string;
  /** Upper directories of writable attachments, one folder each. */
  readonly scratch: string;
  readonly lock: string;
};

/**
 * Makes the folder of mounts, closed to others: set-user-id files of images lie below. The rest is made by {@link openState}.
 * Throws `nodes.not-root`, `nodes.data-missing`.
 */
export function openNodeFolders(dataDirectory: string): NodeFolders {
  if (process.getuid?.() !== 0) {
    throw new LarderError('nodes.not-root', `mounting takes root: run it with sudo, and --data ${dataDirectory}`);
  }
  const data = realData(dataDirectory);
  const root = join(data, 'mounts');
  const run = join(root, 'run');
  mkdirSync(root, { recursive: true, mode: 0o700 });
  return {
    data,
    root,
    run,
    layers: join(run, 'layers'),
    stacked: join(run, 'stacked'),
    attached: join(run, 'attached'),
    lasting: join(root, 'attached'),
    scratch: join(root, 'scratch'),
    lock: join(root, 'lock'),
  };
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

/** Under the lock: makes what is missing of the folders, and gives the records after what killed commands left was cleared. */
export async function openState(folders: NodeFolders): Promise<Attachment[]> {
  await makeFolders(folders);
  const attachments = allAttachments(folders);
  if (!hasLeftovers(folders, attachments)) return attachments;
  await sweep(folders);
  // Without attachments, that takes the folder in memory along.
  await makeFolders(folders);
  return allAttachments(folders);
}

async function makeFolders(folders: NodeFolders): Promise<void> {
  await openMountFolder(folders.run);
  for (const folder of [folders.layers, folders.attached, folders.lasting, folders.scratch])
    mkdirSync(folder, { recursive: true });
}

export function allAttachments(folders: NodeFolders): Attachment[] {
  return [...readAttachments(folders.attached), ...readAttachments(folders.lasting)];
}

/** Where the record of an attachment goes. */
export function recordFolder(folders: NodeFolders, attachment: Attachment): string {
  const leavesNothing = attachment.scratch === undefined && attachment.bundle === undefined;
  return leavesNothing ? folders.attached : folders.lasting;
}

/**
 * Whether something is left of a command that was killed: a record whose directory shows no mount, or a layer or a scratch
 * folder that no record names. A look at the records and two folders; the mount table, which is long, is not read.
 */
function hasLeftovers(folders: NodeFolders, attachments: readonly Attachment[]): boolean {
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
  for (const attachment of allAttachments(folders)) {
    const gone = !ours.has(sourceOf(attachment)) && (await removeLeftovers(attachment));
    if (gone) removeAttachment(recordFolder(folders, attachment), attachment.id);
    else for (const layer of attachment.layers) needed.add(join(folders.layers, layer));
  }
  await removeUnnamedScratch(folders, ours);
  // The first form of the data folder had its layers here; those are mounts of their own, which nothing needs by this path any more.
  const places = [folders.layers, join(folders.root, 'layers')];
  const mounted = mounts.map((entry) => entry.mountPoint).filter((path) => places.includes(dirname(path)));
  // A folder without a mount is a killed command's, too.
  const made = namesIn(folders.layers).map((name) => join(folders.layers, name));
  await unmountLayers([...new Set([...mounted, ...made])].filter((path) => !needed.has(path)));
  if (allAttachments(folders).length === 0) await closeMountFolder(folders.run);
}

/** Scratch folders whose record is lost; they bear the ids of their attachments. */
async function removeUnnamedScratch(folders: NodeFolders, ours: ReadonlySet<string>): Promise<void> {
  const ids = new Set(allAttachments(folders).map((attachment) => attachment.id));
  for (const id of namesIn(folders.scratch)) {
    if (ids.has(id) || ours.has(sourceOf({ id }))) continue;
    await removeLeftovers({ id, scratch: join(folders.scratch, id) });
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
