import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError, LarderError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { loadLibc } from '../index.ts';
import { diskUsage } from './disk-usage.ts';
import { snapshotError } from './errors.ts';
import { parseFilters } from './filter.ts';
import { watchHeldChains } from './held-chains.ts';
import { openHeldLayers } from './held-layers.ts';
import { inTurn } from './in-turn.ts';
import { copyRootAttributes } from './root-attributes.ts';
import { type SnapshotMount, snapshotMounts } from './snapshot-mounts.ts';
import { BLOB_INODES, type HeldLayer, type Labels, REF_LABEL, type SnapshotRecord } from './snapshot-record.ts';
import { SnapshotRecords } from './snapshot-records.ts';
import { openStateFolders } from './state-folders.ts';
import { emptyTrash, moveOrphansToTrash } from './trash.ts';
import { unpackedChain } from './unpacked-chain.ts';

export type SnapshotterOptions = {
  /** A data folder, of a server or of a node. */
  dataDirectory: string;
  /** The snapshotter's own folder; on the data folder's file system, so that blobs can be linked into it. */
  stateDirectory: string;
  /** Only layers of these image caches (`imc-…`) and snapshots (`s-…`); of all when empty. */
  chosen?: readonly string[];
  log: Logger;
};

/** The calls of containerd's snapshotter interface (snapshots/snapshotter.go), which say what they do and throw `snapshots.*`. */
export type Snapshotter = {
  prepare(key: string, parent: string, labels: Labels): Promise<SnapshotMount[]>;
  view(key: string, parent: string, labels: Labels): Promise<SnapshotMount[]>;
  mounts(key: string): Promise<SnapshotMount[]>;
  commit(key: string, name: string, labels: Labels): Promise<void>;
  remove(name: string): Promise<void>;
  stat(name: string): SnapshotRecord;
  update(name: string, labels: Labels, paths: readonly string[]): SnapshotRecord;
  list(filters: readonly string[]): SnapshotRecord[];
  usage(name: string): Promise<{ sizeBytes: number; inodes: number }>;
  /** Deletes the files of what was removed; containerd calls it after every collection. */
  cleanup(): Promise<void>;
  /** Mounts stay: containers may run on them. */
  close(): Promise<void>;
};

/**
 * containerd's overlay snapshotter, and on top of it the protocol of remote snapshots: a layer chain that the data folder
 * holds is there at once, as a committed snapshot over its mounted blob, and containerd downloads nothing of it.
 * Takes up what an earlier process left, however that ended. Throws `nodes.not-root`, `nodes.data-missing`, `snapshots.locked`.
 */
export async function openSnapshotter(options: SnapshotterOptions): Promise<Snapshotter> {
  const { dataDirectory, stateDirectory, chosen = [], log } = options;
  await checkDataFolder(dataDirectory);
  const folders = await openStateFolders(stateDirectory);
  const records = new SnapshotRecords(folders.database);
  const held = openHeldLayers({ dataDirectory, folders, log });
  const chains = watchHeldChains({ dataDirectory, chosen, log });
  const libc = await loadLibc();
  // One change at a time: a sweep must not meet folders whose record is still to come.
  const turn = inTurn();
  const trashTurn = inTurn();
  const layersOf = (parents: readonly SnapshotRecord[]): HeldLayer[] => {
    const numbers = new Set(parents.flatMap((parent) => parent.layer ?? []));
    return [...numbers].map((number) => records.layer(number));
  };

  async function takeUp(): Promise<void> {
    records.forgetUnusedLayers();
    const layers = records.layers();
    await held.unmountOthers(layers);
    for (const layer of layers) {
      await held.ensureMounted([layer]).catch((error: unknown) => {
        log.error({ blob: layer.blob, reason: describeError(error) }, 'a held layer is unavailable');
      });
    }
    await sweep();
  }

  /** Files without a record go. */
  async function sweep(): Promise<void> {
    await held.drop(records.forgetUnusedLayers());
    const layers = records.layers();
    await held.dropLinksBut(layers);
    const kept = new Set([...records.list().map(({ number }) => number), ...layers.map(({ number }) => number)]);
    await moveOrphansToTrash(folders, kept, log);
  }

  /** The held layer on top of a chain, mounted; undefined where it is not held, or can't be used. */
  async function takeHeld(ref: string): Promise<{ layer: HeldLayer; sizeBytes: number } | undefined> {
    const found = await chains.find(ref);
    if (!found) return undefined;
    const { blob, blobDigest, blobBytes } = found;
    const known = records.findLayer(blob);
    const layer = known ?? { number: records.nextNumber(), blob, blobDigest };
    try {
      await held.mount(layer);
      return { layer, sizeBytes: blobBytes };
    } catch (error) {
      // The ordinary way is still open: containerd downloads and unpacks the layer.
      log.warn({ ref, blob, reason: describeError(error) }, 'a held layer cannot be used; it is downloaded');
      if (!known) await held.drop([layer]);
      return undefined;
    }
  }

  /** Makes the committed snapshot of a chain that is held; false where it is not, or can't be used. */
  async function offerHeld(ref: string, parent: string, labels: Labels): Promise<boolean> {
    if (records.findHeld(ref, parent)) return true;
    records.checkParent(parent);
    const taken = await takeHeld(ref);
    if (taken) records.createHeld({ ref, parent, labels, ...taken });
    return taken !== undefined;
  }

  /**
   * Commits what was unpacked of a chain that is held as the held layer, and drops the files: `ctr images pull` of containerd
   * 1.x unpacks without asking. False where that can't be.
   */
  async function commitHeld(key: string, name: string, labels: Labels): Promise<boolean> {
    records.checkCommit(key, name);
    const chainId = unpackedChain(key, name);
    const taken = chainId === undefined ? undefined : await takeHeld(chainId);
    if (chainId === undefined || taken === undefined) return false;
    const { layer, sizeBytes } = taken;
    records.commit(key, name, { labels: { ...labels, [REF_LABEL]: chainId }, layer, sizeBytes, inodes: BLOB_INODES });
    await sweep();
    void trashTurn(() => emptyTrash(folders)).catch((error: unknown) => {
      log.warn({ reason: describeError(error) }, 'what was unpacked stays for now');
    });
    return true;
  }

  async function create(
    kind: 'active' | 'view',
    name: string,
    parent: string,
    labels: Labels,
  ): Promise<SnapshotMount[]> {
    records.checkNew(name, parent);
    const parents = records.chain(parent);
    await ensureMounted(parents);
    const number = records.nextNumber();
    const mounts = snapshotMounts(folders, { number, kind, name }, parents);
    const own = join(folders.lowers, `${number}`);
    await mkdir(own);
    if (kind === 'active') await mkdir(join(folders.works, `${number}`), { mode: 0o700 });
    const layerFile = (layer: number) => held.fileOf(records.layer(layer).blob);
    copyRootAttributes(libc, own, { folders, parents, layerFile });
    records.create({ number, name, parent, kind, labels });
    return mounts;
  }

  async function ensureMounted(parents: readonly SnapshotRecord[]): Promise<void> {
    await held.ensureMounted(layersOf(parents)).catch((error: unknown) => {
      throw snapshotError('snapshots.unavailable', 'a layer below can’t be mounted', error);
    });
  }

  try {
    await takeUp();
    await emptyTrash(folders);
  } catch (error) {
    records.close();
    throw error;
  }

  return {
    prepare: (key, parent, labels) =>
      turn(async () => {
        const ref = labels[REF_LABEL];
        if (ref !== undefined && (await offerHeld(ref, parent, labels))) {
          throw snapshotError('snapshots.already-exists', `the layer chain ${ref} is held`);
        }
        return create('active', key, parent, labels);
      }),
    view: (key, parent, labels) => turn(() => create('view', key, parent, labels)),
    mounts: (key) =>
      turn(async () => {
        const snapshot = records.get(key);
        if (snapshot.kind === 'committed') {
          throw snapshotError('snapshots.failed-precondition', `${key} is committed; prepare or view a child of it`);
        }
        const parents = records.chain(snapshot.parent);
        await ensureMounted(parents);
        return snapshotMounts(folders, snapshot, parents);
      }),
    async commit(key, name, labels) {
      if (await turn(() => commitHeld(key, name, labels))) return;
      // May take a while, and containerd writes no more to it.
      const usage = await diskUsage(join(folders.lowers, `${records.get(key).number}`));
      await turn(async () => records.commit(key, name, { labels, ...usage }));
    },
    remove: (name) => turn(async () => records.remove(name)),
    stat: (name) => records.get(name),
    update: (name, labels, paths) => records.update(name, labels, paths),
    list(filters) {
      const passes = parseFilters(filters);
      return records.list().filter(passes);
    },
    async usage(name) {
      const { kind, number, sizeBytes, inodes } = records.get(name);
      return kind === 'active' ? diskUsage(join(folders.lowers, `${number}`)) : { sizeBytes, inodes };
    },
    async cleanup() {
      await turn(sweep);
      await trashTurn(() => emptyTrash(folders));
    },
    close: () => turn(async () => records.close()),
  };
}

/** A wrong path would pass for a folder that holds nothing, and every layer would be downloaded. */
async function checkDataFolder(dataDirectory: string): Promise<void> {
  const found = await stat(dataDirectory).catch(() => undefined);
  if (found?.isDirectory()) return;
  throw new LarderError(
    'nodes.data-missing',
    `no data folder ${dataDirectory}; --data names the server's or the node's`,
  );
}
