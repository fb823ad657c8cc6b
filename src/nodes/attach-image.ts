import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, realpath, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf } from '../lib/digest.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import { randomAlphanumeric } from '../lib/ids.ts';
import { type Attachment, readAttachments, writeAttachment } from './attachments.ts';
import { MOUNT_TIMEOUT_MS, mountLayers } from './layer-mounts.ts';
import { mountFailure } from './mount-failure.ts';
import { withMountLock } from './mount-lock.ts';
import { type MountPlan, overlayOptions, planMount } from './mount-plan.ts';
import { mountTable, type NodeFolders, openNodeFolders, sourceOf, sweep } from './node-state.ts';
import { findImage, readSnapshot } from './read-snapshot.ts';
import { rootDirectory } from './root-directory.ts';
import { runTool } from './run-tool.ts';

const ID_LENGTH = 12;

export type AttachOptions = {
  /** The server's data folder. */
  dataDirectory: string;
  snapshotId: string;
  /** As the creator of the cache gave it. */
  reference: string;
  /** An empty directory, made where there is none. */
  directory: string;
  signal?: AbortSignal | undefined;
};

/**
 * Mounts an image of a snapshot read-only at a directory. Each layer is mounted once however many attachments use it, so
 * they share its pages in memory. A failure or an abort leaves nothing mounted; what a killed process left is cleared first.
 */
export async function attachImage(options: AttachOptions): Promise<Attachment> {
  const { signal } = options;
  const folders = await openNodeFolders(options.dataDirectory);
  const snapshot = await readSnapshot(options.dataDirectory, options.snapshotId);
  const image = findImage(snapshot, options.reference);
  const plan = planMount(image, (blob) => {
    const hex = hexOf(blob);
    return join(folders.blobs, 'sha256', hex.slice(0, 2), `${hex}.erofs`);
  });
  const directory = await emptyDirectory(options.directory);
  const attachment: Attachment = {
    id: randomAlphanumeric(ID_LENGTH, randomBytes),
    directory,
    snapshotId: snapshot.id,
    reference: image.reference,
    layers: plan.layers.map((layer) => layer.name),
  };
  const attach = async () => {
    await sweep(folders, [attachment]);
    const attached = (await readAttachments(folders.attached)).find((each) => each.directory === directory);
    if (attached) throw new LarderError('nodes.in-use', `${directory} already shows ${attached.reference}`);
    await writeAttachment(folders.attached, attachment);
    try {
      const mounted = async () => new Set((await mountTable()).map((entry) => entry.mountPoint));
      await mountLayers(plan.layers, { directory: folders.layers, mounted, signal });
      const root = await rootDirectory(plan, folders);
      await mountOverlay(folders, plan, { attachment, root, signal });
      return attachment;
    } catch (error) {
      // An abort may kill mount(8) just after the overlay came up.
      const mounted = (await mountTable()).some((entry) => entry.source === sourceOf(attachment));
      if (mounted) await runTool('umount', [directory], { timeoutMs: MOUNT_TIMEOUT_MS });
      await sweep(folders);
      throw error;
    }
  };
  return withMountLock(folders.lock, attach, signal);
}

async function mountOverlay(
  folders: NodeFolders,
  plan: MountPlan,
  { attachment, root, signal }: { attachment: Attachment; root: string | undefined; signal: AbortSignal | undefined },
): Promise<void> {
  const lowers = root === undefined ? plan.lowers : [{ directory: root }, ...plan.lowers];
  // Only mount(8) needs these names; the kernel keeps what they lead to.
  const names = join(folders.root, `lowers-${attachment.id}`);
  try {
    await mkdir(names);
    for (const [place, layer] of lowers.entries()) {
      const target = await lowerDirectory(folders, place, layer);
      await symlink(target, join(names, `${place}`));
    }
    const args = ['-t', 'overlay', '-o', overlayOptions(lowers.length), sourceOf(attachment), attachment.directory];
    // fsconfig(2), which newer util-linux prefers, takes at most 255 bytes per option; mount(2) a page for all.
    const env = { LIBMOUNT_FORCE_MOUNT2: 'always' };
    const result = await runTool('mount', args, { cwd: names, env, timeoutMs: MOUNT_TIMEOUT_MS, signal });
    if (result.exitCode !== 0) throw await mountFailure('overlay', result);
  } finally {
    await rm(names, { recursive: true, force: true });
  }
}

async function lowerDirectory(
  folders: NodeFolders,
  place: number,
  lower: string | { directory: string } | undefined,
): Promise<string> {
  if (lower === undefined) return keepEmptyDirectory(folders, place);
  return typeof lower === 'string' ? join(folders.layers, lower) : lower.directory;
}

/** An empty lower directory stays for good: the kernel lists nothing at all once one of the stack is removed. */
async function keepEmptyDirectory(folders: NodeFolders, place: number): Promise<string> {
  const path = join(folders.root, 'empty', `${place}`);
  await mkdir(path, { recursive: true });
  // The root of an image without layers, whatever the umask.
  await chmod(path, 0o755);
  return path;
}

async function emptyDirectory(path: string): Promise<string> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
    throw new LarderError('nodes.not-empty', `${path} is not a directory`, { cause: error });
  });
  const entries = await readdir(path);
  if (entries.length > 0)
    throw new LarderError('nodes.not-empty', `${path} is not empty; name a new or an empty directory`);
  return realpath(path);
}
