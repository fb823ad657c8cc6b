import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, LarderError } from '../lib/errors.ts';
import { randomAlphanumeric } from '../lib/ids.ts';
import { type Attachment, writeAttachment } from './attachments.ts';
import { layerFileOf } from './layer-file.ts';
import { mountLayers } from './layer-mounts.ts';
import { type Backing, type Libc, loadLibc, mountOverlay, type OverlayCalls, unmount } from './linux/index.ts';
import { withMountLock } from './mount-lock.ts';
import { type MountPlan, planMount } from './mount-plan.ts';
import { sourceOf } from './mount-source.ts';
import { mountTable } from './mount-table.ts';
import { type NodeFolders, openNodeFolders, openState, recordFolder, sweep } from './node-state.ts';
import { findImage, readSnapshot } from './read-snapshot.ts';
import { copyRootAttributes, rootDirectory } from './root-directory.ts';

const ID_LENGTH = 12;

export type AttachOptions = {
  /** The data folder, of a server or of a node. */
  dataDirectory: string;
  snapshotId: string;
  /** As the creator of the cache gave it. */
  reference: string;
  /** An empty directory, made where there is none. */
  directory: string;
  /**
   * Makes it writable. What is written lies in a new folder below `scratch` (made where there is none), by default in the data
   * folder, and is removed when the image is detached.
   */
  writable?: { scratch?: string | undefined } | undefined;
  /** The folder of the runtime bundle that this is the root of, for {@link detachImage} to find it by and to clear it. */
  bundle?: string | undefined;
  /** For tests: ways that this kernel would not need. */
  fallbacks?: { backing?: Backing; calls?: OverlayCalls } | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * Mounts an image of a snapshot at a directory, read-only or with a scratch upper layer. Each layer is mounted once however
 * many attachments use it, so they share its pages in memory. A layer whose file was changed is refused. A failure or an abort
 * leaves nothing mounted; what a killed process left is cleared first.
 */
export async function attachImage(options: AttachOptions): Promise<Attachment> {
  const { dataDirectory, snapshotId, reference, signal } = options;
  const folders = openNodeFolders(dataDirectory);
  const [snapshot, libc] = await Promise.all([readSnapshot(dataDirectory, snapshotId), loadLibc()]);
  const image = findImage(snapshot, reference);
  const plan = planMount(image, (blob) => layerFileOf(folders.data, blob));
  const attach = async () => {
    const existing = await openState(folders);
    const directory = emptyDirectory(options.directory, existing);
    const id = randomAlphanumeric(ID_LENGTH, randomBytes);
    const attachment: Attachment = {
      id,
      directory,
      snapshotId: snapshot.id,
      reference: image.reference,
      layers: plan.layers.map((layer) => layer.name),
      ...(options.writable ? { scratch: scratchFolder(folders, id, options.writable.scratch) } : {}),
      ...(options.bundle === undefined ? {} : { bundle: options.bundle }),
    };
    writeAttachment(recordFolder(folders, attachment), attachment);
    try {
      await mountLayers(plan.layers, { directory: folders.layers, signal, backing: options.fallbacks?.backing });
      mountImage(libc, { folders, plan, attachment, calls: options.fallbacks?.calls });
      return attachment;
    } catch (error) {
      const mounted = (await mountTable()).some((entry) => entry.source === sourceOf(attachment));
      if (mounted) unmount(libc, directory);
      await sweep(folders);
      throw error;
    }
  };
  return withMountLock(folders.lock, attach, signal);
}

function mountImage(
  libc: Libc,
  options: { folders: NodeFolders; plan: MountPlan; attachment: Attachment; calls: OverlayCalls | undefined },
): void {
  const { folders, plan, attachment, calls } = options;
  const lowers = plan.lowers.map((layer, place) =>
    layer === undefined ? keepEmptyDirectory(folders, place) : join(folders.layers, layer),
  );
  const overlay = { mountPoint: attachment.directory, source: sourceOf(attachment) };
  if (attachment.scratch === undefined) {
    const root = rootDirectory(libc, plan, folders);
    mountOverlay(libc, { ...overlay, lowers: root === undefined ? lowers : [root, ...lowers] }, calls);
    return;
  }
  const upper = { directory: join(attachment.scratch, 'upper'), work: join(attachment.scratch, 'work') };
  mkdirSync(upper.directory, { recursive: true });
  mkdirSync(upper.work, { recursive: true });
  copyRootAttributes(libc, plan, folders, upper.directory);
  mountOverlay(libc, { ...overlay, lowers, upper }, calls);
}

/** An empty lower directory stays for good: the kernel lists nothing at all once one of the stack is removed. */
function keepEmptyDirectory(folders: NodeFolders, place: number): string {
  const path = join(folders.stacked, `empty-${place}`);
  mkdirSync(path, { recursive: true });
  // The root of an image without layers, whatever the umask.
  chmodSync(path, 0o755);
  return path;
}

function scratchFolder(folders: NodeFolders, id: string, chosen: string | undefined): string {
  if (chosen === undefined) return join(folders.scratch, id);
  mkdirSync(chosen, { recursive: true });
  return join(realpathSync(chosen), sourceOf({ id }));
}

function emptyDirectory(path: string, attachments: readonly Attachment[]): string {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    if (errorCode(error) !== 'EEXIST' && errorCode(error) !== 'ENOTDIR') throw error;
    throw new LarderError('nodes.not-empty', `${path} is not a directory`, { cause: error });
  }
  const directory = realpathSync(path);
  // An image may well have an empty root.
  const attached = attachments.find((each) => each.directory === directory);
  if (attached) {
    const undo = `undo that with: larder umount ${directory}`;
    throw new LarderError('nodes.in-use', `${directory} already shows ${attached.reference}; ${undo}`);
  }
  if (readdirSync(directory).length > 0)
    throw new LarderError('nodes.not-empty', `${directory} is not empty; name a new or an empty directory`);
  return directory;
}
