import { readdirSync, rmdirSync, rmSync } from 'node:fs';
import { LarderError } from '../../lib/errors.ts';
import { loadLibc, mountTable, unmount } from '../index.ts';
import { referencedLayers } from './graph-roots.ts';
import type { StoreFolders } from './store-folders.ts';
import { readStore } from './write-store.ts';

/**
 * Takes a store away: mounts, links and files. Running containers go on, they hold what they use; but none that stands on
 * the store can start again, so without `force` it throws `nodes.in-use` while there are any. To be called under the store's lock.
 */
export async function removePodman(
  folders: StoreFolders,
  { graphRoots, force }: { graphRoots: readonly string[]; force: boolean },
): Promise<void> {
  const { store, overlay, own } = folders;
  const ids = readStore(folders).layers.map((layer) => layer.id);
  const inUse = await referencedLayers(ids, { graphRoots, overlay, mounts: await mountTable() });
  if (inUse.size > 0 && !force) {
    throw new LarderError(
      'nodes.in-use',
      `containers, or images built on these, need ${inUse.size} layers of ${store}; remove them first (podman ps --all --external), or add --force and they never start again`,
      { facts: { layers: inUse.size } },
    );
  }
  const libc = await loadLibc();
  const below = (await mountTable()).filter((entry) => entry.mountPoint.startsWith(`${store}/`));
  for (const { mountPoint } of below.toReversed()) unmount(libc, mountPoint);
  for (const folder of [overlay, folders.images, folders.layers, own]) rmSync(folder, { recursive: true, force: true });
  if (readdirSync(store).length === 0) rmdirSync(store);
}
