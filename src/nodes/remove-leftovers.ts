import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Attachment } from './attachments.ts';
import { findUser } from './find-user.ts';
import { sourceOf } from './mount-source.ts';
import { BUNDLE_ROOT } from './runtime-config.ts';

/** What `larder rootfs` writes beside the root; what else is there is the user's. */
export const BUNDLE_CONFIG = 'config.json';

/**
 * Removes what an attachment that is no longer mounted here has beside its mount: the scratch folder, the files of its bundle.
 * False when a container still has the mount in a mount namespace of its own, and writes into the scratch folder: it stays.
 */
export async function removeLeftovers(attachment: Pick<Attachment, 'id' | 'scratch' | 'bundle'>): Promise<boolean> {
  const { scratch, bundle } = attachment;
  if (scratch !== undefined) {
    if ((await findUser(sourceOf(attachment))) !== undefined) return false;
    await rm(scratch, { recursive: true, force: true });
  }
  if (bundle !== undefined) {
    await rm(join(bundle, BUNDLE_CONFIG), { force: true });
    // Not empty: another mount or somebody's files.
    await rmdir(join(bundle, BUNDLE_ROOT)).catch(() => undefined);
  }
  return true;
}
