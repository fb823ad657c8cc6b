import { mkdirSync, realpathSync, renameSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { type Attachment, removeAttachment } from './attachments.ts';
import { findUser } from './find-user.ts';
import { loadLibc, unmount } from './linux/index.ts';
import { withMountLock } from './mount-lock.ts';
import { isOurs, sourceOf } from './mount-source.ts';
import { mountTable } from './mount-table.ts';
import { allAttachments, type NodeFolders, openNodeFolders, recordFolder, sweep } from './node-state.ts';
import { removeLeftovers } from './remove-leftovers.ts';

export type DetachOptions = {
  dataDirectory: string;
  /** Where the image is mounted, or the folder of its runtime bundle. */
  directory: string;
  /** Leaves what was written into a writable one, an overlay's upper directory, and gives its path as `written`. */
  keepWritten?: boolean | undefined;
  signal?: AbortSignal | undefined;
};

/**
 * Unmounts what {@link attachImage} mounted at a directory, and the layers that no other attachment uses; removes what was
 * written into a writable one, and the files of a bundle. The directory stays. Throws `nodes.not-attached`, or `nodes.busy`
 * when a process or a container still uses it.
 */
export async function detachImage(options: DetachOptions): Promise<{ directory: string; written?: string }> {
  const { signal } = options;
  const folders = openNodeFolders(options.dataDirectory);
  const libc = await loadLibc();
  const named = realPath(options.directory);
  const detach = async () => {
    const attachments = allAttachments(folders);
    const mounts = (await mountTable()).filter(isOurs);
    const sources = new Set(mounts.map((entry) => entry.source));
    const candidates = attachments.filter((each) => each.directory === named || each.bundle === named);
    const attachment = candidates.find((each) => sources.has(sourceOf(each))) ?? candidates[0];
    const directory = attachment?.directory ?? named;
    // The mount counts, not its record: a record may have been lost, and its mount must still come off.
    const mounted = mounts.some((entry) => entry.mountPoint === directory);
    if (!mounted && !attachment) {
      const list = attachments.map((each) => each.bundle ?? each.directory).join(', ') || 'none';
      throw new LarderError('nodes.not-attached', `${named} is no mount of larder's; there are: ${list}`);
    }
    if (mounted) {
      if (attachment) await refuseWhileUsed(attachment);
      unmount(libc, directory);
    }
    const written = attachment && options.keepWritten ? keepWritten(folders, attachment) : undefined;
    if (attachment) {
      const gone = await removeLeftovers(written ? { ...attachment, scratch: undefined } : attachment);
      if (gone) removeAttachment(recordFolder(folders, attachment), attachment.id);
    }
    await sweep(folders);
    return { directory: attachment?.bundle ?? directory, ...(written === undefined ? {} : { written }) };
  };
  return withMountLock(folders.lock, detach, signal);
}

/** A container has a copy of the mount, and would go on writing into a folder that is being removed. */
async function refuseWhileUsed(attachment: Attachment): Promise<void> {
  if (attachment.scratch === undefined && attachment.bundle === undefined) return;
  const user = await findUser(sourceOf(attachment));
  if (user === undefined) return;
  const message = `a container still runs from ${attachment.directory} (process ${user}): stop it first`;
  throw new LarderError('nodes.busy', message, { facts: { process: user } });
}

/** Moves what was written out of the reach of {@link sweep}. Gives the folder. */
function keepWritten(folders: NodeFolders, attachment: Attachment): string | undefined {
  if (attachment.scratch === undefined) return undefined;
  const upper = join(attachment.scratch, 'upper');
  if (dirname(attachment.scratch) !== folders.scratch) return upper;
  const kept = join(folders.root, 'kept');
  mkdirSync(kept, { recursive: true });
  renameSync(attachment.scratch, join(kept, attachment.id));
  return join(kept, attachment.id, 'upper');
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
