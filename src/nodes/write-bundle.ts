import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readSync, realpathSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { LarderError } from '../lib/errors.ts';
import { type AttachOptions, attachImage } from './attach-image.ts';
import type { Attachment } from './attachments.ts';
import { resolveUser, type UserFiles } from './container-user.ts';
import { detachImage } from './detach-image.ts';
import { parseRunConfig } from './image-run-config.ts';
import { loadLibc, openInRoot } from './linux/index.ts';
import { findImage, readSnapshot } from './read-snapshot.ts';
import { BUNDLE_CONFIG } from './remove-leftovers.ts';
import { BUNDLE_ROOT, type RuntimeChoices, toRuntimeConfig } from './runtime-config.ts';

const HOSTNAME = /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/;
const DEFAULT_HOSTNAME = 'larder';
/** More than any image's /etc/passwd has; a longer one is cut off. */
const MAX_USER_FILE_BYTES = 4 << 20;

export type BundleOptions = Omit<AttachOptions, 'bundle' | 'writable'> & {
  /** Where what the container writes goes; {@link AttachOptions.writable}. */
  scratch?: string | undefined;
} & Partial<Pick<RuntimeChoices, 'args' | 'entrypoint' | 'readOnly' | 'terminal' | 'hostNetwork'>>;

/**
 * Writes an OCI runtime bundle, which runc and its like run as it is: the image mounted at `<directory>/rootfs`, and
 * `<directory>/config.json`. The mount has a scratch upper layer also when the container may not write (`readOnly`): the
 * runtime makes mount points in it. {@link detachImage} with the same directory undoes it.
 *
 * Throws what {@link attachImage} does, `nodes.config-invalid`, `nodes.no-command`, `nodes.user-missing`.
 */
export async function writeBundle(options: BundleOptions): Promise<Attachment> {
  const { dataDirectory, snapshotId, reference, scratch, args, entrypoint } = options;
  const { readOnly = false, terminal = false, hostNetwork = false } = options;
  const image = findImage(await readSnapshot(dataDirectory, snapshotId), reference);
  const config = parseRunConfig(image.config);
  const bundle = bundleFolder(options.directory);
  const hostname = HOSTNAME.test(basename(bundle)) ? basename(bundle) : DEFAULT_HOSTNAME;
  const root = join(bundle, BUNDLE_ROOT);
  const attachment = await attachImage({ ...options, directory: root, writable: { scratch }, bundle });
  try {
    const user = resolveUser(config.run.User, await readUserFiles(root));
    const choices = { user, args, entrypoint, readOnly, terminal, hostNetwork, hostname };
    const text = JSON.stringify(toRuntimeConfig(config, choices), undefined, 2);
    await writeFile(join(bundle, BUNDLE_CONFIG), `${text}\n`);
    return attachment;
  } catch (error) {
    await detachImage({ dataDirectory, directory: bundle });
    throw error;
  }
}

/** What a bundle whose mount is gone left there is no obstacle: attachImage clears it. */
function bundleFolder(directory: string): string {
  mkdirSync(directory, { recursive: true });
  const bundle = realpathSync(directory);
  const others = readdirSync(bundle).filter((name) => name !== BUNDLE_CONFIG && name !== BUNDLE_ROOT);
  if (others.length === 0) return bundle;
  throw new LarderError('nodes.not-empty', `${bundle} is not empty; name a new or an empty directory`);
}

async function readUserFiles(root: string): Promise<UserFiles> {
  const libc = await loadLibc();
  const folder = openSync(root, 'r');
  try {
    const read = (path: string) => {
      const file = openInRoot(libc, folder, path);
      return file === undefined ? '' : readAndClose(file);
    };
    return { passwd: read('/etc/passwd'), group: read('/etc/group') };
  } finally {
    closeSync(folder);
  }
}

function readAndClose(file: number): string {
  try {
    if (!fstatSync(file).isFile()) return '';
    const bytes = Buffer.alloc(Math.min(fstatSync(file).size, MAX_USER_FILE_BYTES));
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(file);
  }
}
