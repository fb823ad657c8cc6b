import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { LarderError } from '../../lib/errors.ts';

/**
 * Where the snapshotter keeps its own. Names are short, because containerd hands the paths of all layers to the kernel in one
 * page of mount options.
 */
export type StateFolders = {
  readonly root: string;
  /** One folder per number: files of a snapshot, or a held layer mounted. */
  readonly lowers: string;
  /** Working directories of overlays, by the same numbers. */
  readonly works: string;
  /** Hard links to the blobs of held layers. */
  readonly blobs: string;
  /** What is to be deleted. */
  readonly trash: string;
  readonly database: string;
};

/** Makes the folders, closed to others: set-user-id files of images lie below. Throws `nodes.not-root`. */
export async function openStateFolders(directory: string): Promise<StateFolders> {
  if (process.getuid?.() !== 0) {
    throw new LarderError(
      'nodes.not-root',
      'the snapshotter mounts layers and takes root: run it with sudo, or as a service',
    );
  }
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const root = await realpath(directory);
  const folders = {
    root,
    lowers: join(root, 'l'),
    works: join(root, 'w'),
    blobs: join(root, 'b'),
    trash: join(root, 'trash'),
    database: join(root, 'snapshots.db'),
  };
  for (const path of [folders.lowers, folders.works, folders.blobs, folders.trash]) {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }
  return folders;
}
