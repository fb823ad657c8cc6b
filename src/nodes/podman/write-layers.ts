import { chownSync, lstatSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { copyAttributes, type Libc } from '../index.ts';
import { contentPath } from './blob-mounts.ts';
import { shortLink } from './layer-names.ts';
import { replaceFile, replaceLink } from './replace.ts';
import type { StoreFolders } from './store-folders.ts';
import type { StoreLayer } from './store-model.ts';

/**
 * Writes the folder of a layer as the overlay driver wants it:
 *
 *     overlay/<id>/diff    link to the content; or to an empty directory with the root's attributes,
 *     overlay/<id>/diff1   and the content here: the driver stacks it right below
 *     overlay/<id>/link    its short name, under which overlay/l/<name> leads to diff
 *     overlay/<id>/lower   the short names of the layers below, topmost first
 *     overlay/<id>/empty   in a layer without a layer below
 *
 * `diff` is an absolute link, as the driver takes it for what it calls additional layers. The folder itself is owned by the
 * image's root user and group, because Podman before 5 gives a container's root the owner of this folder (and the mode of
 * `diff`). Blobs must be mounted. A folder that is right already is left alone.
 */
export function writeLayer(
  folders: StoreFolders,
  layer: StoreLayer,
  { byId, libc }: { byId: ReadonlyMap<string, StoreLayer>; libc: Libc },
): void {
  const folder = join(folders.overlay, layer.id);
  const link = shortLink(layer.id);
  const rootFrom = layer.rootFrom === undefined ? layer : (byId.get(layer.rootFrom) ?? layer);
  const root = statSync(contentPath(folders, rootFrom));
  const content = contentPath(folders, layer);
  // In this order a container that starts while a link changes finds the content twice, which the kernel refuses, and never not.
  const links: Readonly<Record<string, string>> =
    rootFrom === layer
      ? { diff: content }
      : { diff1: content, diff: rootCopy(folders, layer, { from: contentPath(folders, rootFrom), libc }) };
  const lower = lowerOf(layer, byId);

  if (!lstatSync(folder, { throwIfNoEntry: false })) {
    const fresh = join(folders.temporary, layer.id);
    rmSync(fresh, { recursive: true, force: true });
    mkdirSync(fresh, { recursive: true, mode: 0o700 });
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(fresh, name));
    writeFileSync(join(fresh, 'link'), link);
    if (lower === undefined) mkdirSync(join(fresh, 'empty'), { mode: 0o700 });
    else writeFileSync(join(fresh, 'lower'), lower);
    chownSync(fresh, root.uid, root.gid);
    renameSync(fresh, folder);
  } else {
    for (const [name, target] of Object.entries(links)) replaceLink(join(folder, name), target);
    if (!('diff1' in links)) rmSync(join(folder, 'diff1'), { force: true });
    replaceFile(join(folder, 'link'), link);
    if (lower === undefined) mkdirSync(join(folder, 'empty'), { recursive: true, mode: 0o700 });
    else replaceFile(join(folder, 'lower'), lower);
    chownSync(folder, root.uid, root.gid);
  }
  replaceLink(join(folders.links, link), join('..', layer.id, 'diff'));
}

/** Whether two layers got the same short name, by an accident of 1 in 10^7 with ten thousand layers. */
export function linkClash(layers: readonly StoreLayer[]): string | undefined {
  const seen = new Set<string>();
  return layers.find((layer) => seen.size === seen.add(shortLink(layer.id)).size)?.id;
}

function lowerOf(layer: StoreLayer, byId: ReadonlyMap<string, StoreLayer>): string | undefined {
  const names: string[] = [];
  for (let below = layer.parent; below !== undefined; below = byId.get(below)?.parent)
    names.push(`l/${shortLink(below)}`);
  return names.length === 0 ? undefined : names.join(':');
}

/**
 * An empty directory with a root's attributes; one for each layer, since no directory may come twice in an overlay. The
 * driver looks for `diff1` beside the directory that `diff` leads to, so it stands here as well.
 */
function rootCopy(folders: StoreFolders, layer: StoreLayer, { from, libc }: { from: string; libc: Libc }): string {
  const folder = join(folders.roots, layer.id);
  const copy = join(folder, 'diff');
  mkdirSync(copy, { recursive: true });
  copyAttributes(libc, from, copy);
  replaceLink(join(folder, 'diff1'), contentPath(folders, layer));
  return copy;
}
