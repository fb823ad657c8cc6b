import { readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Snapshot } from '../../caches/index.ts';
import { describeError, errorCode, LarderError } from '../../lib/errors.ts';
import { isSnapshotId, mountTable, namesRoot, readSnapshot } from '../index.ts';
import { mountBlobs, mountName } from './blob-mounts.ts';
import { referencedLayers } from './graph-roots.ts';
import { mergeLayers, standAlone, withRoot } from './layer-roots.ts';
import { planImages } from './plan-images.ts';
import { imageRecord } from './records.ts';
import { readOrNothing, replaceFile } from './replace.ts';
import { retain } from './retain.ts';
import type { StoreFolders } from './store-folders.ts';
import type { StoreImage, StoreProblem } from './store-model.ts';
import { readStore, writeStore } from './write-store.ts';

export type SyncOptions = {
  /** Of the server, or of this machine's node agent. */
  dataDirectory: string;
  /** Ids of caches or snapshots; all when empty. */
  picks: readonly string[];
  /** Storages of Podman and CRI-O on this machine, whose containers stand on our layers. */
  graphRoots: readonly string[];
  graceMs: number;
  nowMs: number;
  signal?: AbortSignal | undefined;
};

export type SyncResult = {
  /** Whether Podman sees anything new. */
  changed: boolean;
  /** The image's id by its name in full, in the order of the names. */
  images: ReadonlyMap<string, string>;
  layers: number;
  /** Images without a name, which containers still use or whose time of grace runs. */
  retired: number;
  problems: StoreProblem[];
};

/** Brings a store in step with the snapshots of a data folder, once. To be called under the store's lock. */
export async function syncPodman(folders: StoreFolders, options: SyncOptions): Promise<SyncResult> {
  const { picks, graphRoots, graceMs, nowMs, signal } = options;
  const dataDirectory = await realpath(options.dataDirectory);
  const read = await readSnapshots(dataDirectory);
  const planned = planImages(read.snapshots, picks);
  const problems = [...read.problems, ...planned.problems];
  const previous = readStore(folders);

  const every = planned.images.flatMap((image) => image.layers);
  const mounted = await mountBlobs(folders, every, { dataDirectory, signal });
  const images: StoreImage[] = [];
  for (const image of planned.images) {
    const bad = image.layers.map((layer) => mounted.problems.get(mountName(layer))).find(Boolean);
    if (bad) problems.push({ code: bad.code, message: `${image.names.join(', ')}: ${bad.message}` });
    else images.push({ ...image, layers: withRoot(image.layers, (layer) => hasOwnRoot(mounted.files, layer)) });
  }
  const layers = mergeLayers(images.flatMap((image) => image.layers));
  const alone = standAlone([...layers.values()]).filter((layer) => !layers.has(layer.id));
  const next = retain({
    wanted: { images: images.map(imageRecord), layers: [...layers.values(), ...mergeLayers(alone).values()] },
    previous,
    referenced: await referencedLayers(
      previous.layers.map((layer) => layer.id),
      { graphRoots, overlay: folders.overlay, mounts: await mountTable() },
    ),
    retiredAtMs: retiredSchema.catch({}).parse(parseJson(readOrNothing(folders.retired))),
    nowMs,
    graceMs,
  });
  // Layers of images that are no longer wanted, after a reboot.
  const kept = await mountBlobs(folders, next.layers, { dataDirectory, signal });
  for (const [name, problem] of kept.problems) if (!mounted.problems.has(name)) problems.push(problem);

  const changed = await writeStore(folders, {
    ...next,
    documents: images,
    mounted: new Set(next.layers.filter((layer) => !kept.problems.has(mountName(layer))).map((layer) => layer.id)),
  });
  replaceFile(folders.retired, JSON.stringify(next.retiredAtMs));
  return {
    changed,
    images: nameTable(images),
    layers: next.layers.length,
    retired: next.images.length - images.length,
    problems,
  };
}

function nameTable(images: readonly StoreImage[]): Map<string, string> {
  const ids = new Map<string, string>();
  for (const image of images) for (const name of image.names) ids.set(name, image.id);
  const table = new Map<string, string>();
  for (const name of [...ids.keys()].toSorted()) table.set(name, ids.get(name) ?? '');
  return table;
}

const retiredSchema = z.record(z.string(), z.number());

function hasOwnRoot(files: ReadonlyMap<string, string>, layer: Parameters<typeof mountName>[0]): boolean {
  const file = files.get(mountName(layer));
  return file !== undefined && namesRoot(file);
}

/** All snapshots of a data folder that can be read. One may go while we read: then it is not there. */
async function readSnapshots(dataDirectory: string): Promise<{ snapshots: Snapshot[]; problems: StoreProblem[] }> {
  const snapshots: Snapshot[] = [];
  const problems: StoreProblem[] = [];
  for (const id of await snapshotIds(dataDirectory)) {
    try {
      snapshots.push(await readSnapshot(dataDirectory, id));
    } catch (error) {
      const code = errorCode(error) ?? '';
      if (code !== 'nodes.snapshot-missing') problems.push({ code, message: describeError(error) });
    }
  }
  return { snapshots, problems };
}

/** Throws `nodes.data-missing` where the folder is none of Larder's. */
export async function snapshotIds(dataDirectory: string): Promise<string[]> {
  const names = await readdir(join(dataDirectory, 'snapshots')).catch((cause: unknown) => {
    const message = `${dataDirectory} has no folder snapshots; --data names the data folder of the server, or of this machine's node agent`;
    throw new LarderError('nodes.data-missing', message, { cause });
  });
  return names.map((name) => name.replace(/\.json$/, '')).filter(isSnapshotId);
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
