import { mkdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { type Attachment, readAttachments, removeAttachment } from './attachments.ts';
import { unmountLayers } from './layer-mounts.ts';
import { type MountEntry, parseMountInfo } from './mount-info.ts';

const SOURCE_PREFIX = 'larder-';

/** Where a node keeps its mounts, all below the server's data folder. */
export type NodeFolders = {
  /** The layer store. */
  readonly blobs: string;
  readonly root: string;
  /** Mount points of layers, named by the hex digits of their blobs' keys. */
  readonly layers: string;
  /** One record per attachment. */
  readonly attached: string;
  readonly lock: string;
};

/** Makes the folders, closed to others: set-user-id files of images lie below. Throws `nodes.not-root`, `nodes.data-missing`. */
export async function openNodeFolders(dataDirectory: string): Promise<NodeFolders> {
  if (process.getuid?.() !== 0) {
    throw new LarderError('nodes.not-root', `mounting takes root: run it with sudo, and --data ${dataDirectory}`);
  }
  const data = await realpath(dataDirectory).catch((cause: unknown) => {
    throw new LarderError('nodes.data-missing', `no data folder ${dataDirectory}; --data names the server's`, {
      cause,
    });
  });
  const root = join(data, 'mounts');
  const folders = {
    blobs: join(data, 'layers'),
    root,
    layers: join(root, 'layers'),
    attached: join(root, 'attached'),
    lock: join(root, 'lock'),
  };
  await mkdir(root, { recursive: true, mode: 0o700 });
  await mkdir(folders.layers, { recursive: true });
  return folders;
}

/** What is mounted in this mount namespace. */
export async function mountTable(): Promise<MountEntry[]> {
  return parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
}

/** The name an attachment's overlay bears in the mount table; it ties mount and record together. */
export function sourceOf(attachment: Attachment): string {
  return `${SOURCE_PREFIX}${attachment.id}`;
}

export function isOurs(entry: MountEntry): boolean {
  return entry.type === 'overlay' && entry.source.startsWith(SOURCE_PREFIX);
}

/**
 * Brings records and mounts together, under the lock: drops records without a mount (a crash, a reboot, an umount by hand)
 * and unmounts layers that neither a record nor `coming` names. A layer under an overlay without a record may go as well:
 * the overlay holds the file system itself, not its mount point.
 */
export async function sweep(folders: NodeFolders, coming: readonly Attachment[] = []): Promise<void> {
  const mounts = await mountTable();
  const sources = new Set(mounts.filter(isOurs).map((entry) => entry.source));
  const needed = new Set(coming.flatMap((attachment) => attachment.layers));
  for (const attachment of await readAttachments(folders.attached)) {
    if (sources.has(sourceOf(attachment))) for (const layer of attachment.layers) needed.add(layer);
    else await removeAttachment(folders.attached, attachment.id);
  }
  const layers = mounts.map((entry) => entry.mountPoint).filter((path) => dirname(path) === folders.layers);
  await unmountLayers(layers.filter((path) => !needed.has(path.slice(folders.layers.length + 1))));
}
