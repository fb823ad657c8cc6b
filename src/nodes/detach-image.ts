import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { readAttachments, removeAttachment } from './attachments.ts';
import { MOUNT_TIMEOUT_MS } from './layer-mounts.ts';
import { withMountLock } from './mount-lock.ts';
import { isOurs, mountTable, openNodeFolders, sweep } from './node-state.ts';
import { runTool } from './run-tool.ts';

export type DetachOptions = { dataDirectory: string; directory: string; signal?: AbortSignal | undefined };

/**
 * Unmounts what {@link attachImage} mounted at a directory, and the layers that no other attachment uses. The directory stays.
 * Throws `nodes.not-attached`, or `nodes.busy` when a process still uses it.
 */
export async function detachImage(options: DetachOptions): Promise<{ directory: string }> {
  const { signal } = options;
  const folders = await openNodeFolders(options.dataDirectory);
  const directory = await realpath(options.directory).catch(() => resolve(options.directory));
  const detach = async () => {
    await sweep(folders);
    // The mount counts, not its record: a record may have been lost, and its mount must still come off.
    const mounted = (await mountTable()).findLast((entry) => entry.mountPoint === directory);
    const attachments = await readAttachments(folders.attached);
    if (!mounted || !isOurs(mounted)) {
      const list = attachments.map((each) => each.directory).join(', ') || 'none';
      throw new LarderError('nodes.not-attached', `${directory} is no mount of larder's; there are: ${list}`);
    }
    const result = await runTool('umount', [directory], { timeoutMs: MOUNT_TIMEOUT_MS, signal });
    if (result.exitCode !== 0) {
      throw new LarderError('nodes.busy', `${result.stderr}; see who uses it with: fuser -vm ${directory}`);
    }
    const attachment = attachments.find((each) => each.directory === directory);
    if (attachment) await removeAttachment(folders.attached, attachment.id);
    await sweep(folders);
    return { directory };
  };
  return withMountLock(folders.lock, detach, signal);
}
