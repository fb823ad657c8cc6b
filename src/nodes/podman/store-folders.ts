import { mkdir, readdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { LarderError } from '../../lib/errors.ts';

/** Where things lie in a store: containers/storage's layout with the overlay driver, and our own part beside it. */
export type StoreFolders = {
  readonly store: string;
  readonly images: string;
  readonly layers: string;
  readonly overlay: string;
  /** Short names of layers. */
  readonly links: string;
  readonly own: string;
  /** Hard links to layer blobs: bytes in use outlive their removal from the data folder. */
  readonly blobs: string;
  /**
   * A small tmpfs, in which `<name>/layer` is the mount of a blob; made under `new` and renamed into place. After a reboot it is
   * empty, so a container that starts too early fails instead of seeing an empty layer.
   */
  readonly mounts: string;
  /** By layer, empty directories with the attributes of images' root directories. */
  readonly roots: string;
  readonly temporary: string;
  readonly lock: string;
  readonly retired: string;
};

/** Overlay options and storage.conf give these a meaning of their own. */
const FORBIDDEN = /[\s:,"'\\]/;

/** Makes the folders, for root only: images hold set-user-id programs and device files. Throws `nodes.not-root` or `nodes.store-path`. */
export async function openStoreFolders(storeDirectory: string): Promise<StoreFolders> {
  if (process.getuid?.() !== 0) {
    throw new LarderError(
      'nodes.not-root',
      'mounting takes root: run it with sudo, and name the data folder with --data',
    );
  }
  const asked = resolve(storeDirectory);
  if (FORBIDDEN.test(asked)) {
    throw new LarderError(
      'nodes.store-path',
      `${JSON.stringify(asked)} can't be a store: Podman takes no blanks, colons, commas, quotes or backslashes in its path; choose another with --store`,
    );
  }
  await mkdir(asked, { recursive: true, mode: 0o700 });
  const folders = storeFolders(await realpath(asked));
  const there = await readdir(folders.store);
  if (there.length > 0 && !there.includes('larder')) {
    throw new LarderError(
      'nodes.store-path',
      `${folders.store} holds something that is not Larder's; choose a new or an empty folder with --store, not Podman's own storage`,
    );
  }
  const { own, images, layers, overlay, links, blobs, mounts, roots, temporary } = folders;
  for (const folder of [own, images, layers, overlay, links, blobs, mounts, roots, temporary]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  return folders;
}

export function storeFolders(store: string): StoreFolders {
  const own = join(store, 'larder');
  const overlay = join(store, 'overlay');
  const mounts = join(own, 'mounts');
  return {
    store,
    images: join(store, 'overlay-images'),
    layers: join(store, 'overlay-layers'),
    overlay,
    links: join(overlay, 'l'),
    own,
    blobs: join(own, 'blobs'),
    mounts,
    roots: join(own, 'roots'),
    temporary: join(own, 'new'),
    lock: join(own, 'lock'),
    retired: join(own, 'retired.json'),
  };
}
