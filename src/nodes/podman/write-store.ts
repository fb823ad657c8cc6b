import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { LarderError } from '../../lib/errors.ts';
import { loadLibc, mountTable } from '../index.ts';
import { releaseBlobs } from './blob-mounts.ts';
import { bigDataFile, shortLink } from './layer-names.ts';
import { bigData, type ImageRecord, layerRecord, readImageRecords, readLayerRecords } from './records.ts';
import { readOrNothing, replaceFile, touchLockFile } from './replace.ts';
import type { StoreContent } from './retain.ts';
import type { StoreFolders } from './store-folders.ts';
import type { StoreImage, StoreLayer } from './store-model.ts';
import { linkClash, writeLayer } from './write-layers.ts';

/** What the store's lists say now. */
export function readStore(folders: StoreFolders): { images: ImageRecord[]; layers: StoreLayer[] } {
  return {
    images: readImageRecords(readOrNothing(imageList(folders)) ?? ''),
    layers: readLayerRecords(readOrNothing(layerList(folders)) ?? ''),
  };
}

/**
 * Makes the store show `next`. Readers see the old lists or the new ones, and everything a list names is there: first the folders
 * of layers and images, then both lists, layers first, and only then goes what no list names. Left half-way by a
 * crash, the next call does the rest. `mounted` are the layers whose content is mounted. False where nothing was to be done.
 */
export async function writeStore(
  folders: StoreFolders,
  next: StoreContent & { documents: readonly StoreImage[]; mounted: ReadonlySet<string> },
): Promise<boolean> {
  const clash = linkClash(next.layers);
  if (clash !== undefined) throw new LarderError('nodes.link-clash', `two layers have the short name of ${clash}`);
  const libc = await loadLibc();
  const byId = new Map(next.layers.map((layer) => [layer.id, layer]));
  for (const layer of next.layers) {
    const needed = [layer.id, layer.rootFrom ?? layer.id];
    if (needed.every((id) => next.mounted.has(id))) writeLayer(folders, layer, { byId, libc });
  }
  for (const image of next.documents) writeDocuments(folders, image);

  const before = readStore(folders).layers.filter((layer) => !byId.has(layer.id));
  const changes = [
    writeLayerList(folders, [...next.layers, ...before]),
    publish(imageList(folders), join(folders.images, 'images.lock'), next.images),
    writeLayerList(folders, next.layers),
  ];
  await removeRest(folders, next);
  return changes.includes(true);
}

function writeDocuments(folders: StoreFolders, image: StoreImage): void {
  const folder = join(folders.images, image.id);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const { key, document } of bigData(image)) replaceFile(join(folder, bigDataFile(key)), document);
}

function writeLayerList(folders: StoreFolders, layers: readonly StoreLayer[]): boolean {
  return publish(layerList(folders), join(folders.layers, 'layers.lock'), layers.map(layerRecord));
}

function publish(list: string, lockFile: string, records: readonly object[]): boolean {
  const changed = replaceFile(list, JSON.stringify(records));
  // Readers open the lock file for reading only, and fail where there is none.
  if (changed || readOrNothing(lockFile) === undefined) touchLockFile(lockFile);
  return changed;
}

async function removeRest(folders: StoreFolders, next: StoreContent): Promise<void> {
  const mounts = await mountTable();
  const images = new Set(next.images.map((image) => image.id));
  const layers = new Set(next.layers.map((layer) => layer.id));
  const links = new Set(next.layers.map((layer) => shortLink(layer.id)));
  removeOthers(folders.images, (name) => images.has(name) || ['images.json', 'images.lock'].includes(name));
  removeOthers(folders.layers, (name) => ['layers.json', 'layers.lock'].includes(name));
  removeOthers(folders.overlay, (name) => {
    // What Podman has mounted there since.
    const inUse = mounts.some((entry) => entry.mountPoint.startsWith(`${folders.overlay}/${name}/`));
    return name === 'l' || layers.has(name) || inUse;
  });
  removeOthers(folders.links, (name) => links.has(name));
  removeOthers(folders.roots, (name) => layers.has(name));
  removeOthers(folders.temporary, () => false);
  await releaseBlobs(folders, next.layers);
}

function removeOthers(folder: string, keep: (name: string) => boolean): void {
  for (const name of readdirSync(folder)) {
    if (!keep(name)) rmSync(join(folder, name), { recursive: true, force: true });
  }
}

const imageList = (folders: StoreFolders) => join(folders.images, 'images.json');
const layerList = (folders: StoreFolders) => join(folders.layers, 'layers.json');
