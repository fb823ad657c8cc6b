import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Snapshot, SnapshotLayer } from '../../caches/index.ts';
import { describeError, errorCode } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { chainIds } from '../../oci/index.ts';
import { isSnapshotId, readSnapshot } from '../index.ts';

const SUFFIX = '.json';

export type HeldChains = {
  /** The layer on top of the chain with this chainID, of any snapshot in the data folder now. */
  find(chainId: string): Promise<SnapshotLayer | undefined>;
  /** The snapshots themselves, in the order of their making. */
  snapshots(): Promise<Snapshot[]>;
};

/**
 * What a data folder holds: chainID → layer, over all its snapshots, or over those of the chosen image caches (`imc-…`) and
 * snapshots (`s-…`). Every question lists the folder anew, and reads what has come. A manifest is
 * read once: where a rebuild writes it anew, because a later version makes another blob, the layer is checked against the
 * earlier digest until the restart, so that at worst it is downloaded.
 */
export function watchHeldChains(options: {
  dataDirectory: string;
  chosen: readonly string[];
  log: Logger;
}): HeldChains {
  const { dataDirectory, chosen, log } = options;
  const known = new Map<string, { snapshot: Snapshot | undefined; chains: ReadonlyMap<string, SnapshotLayer> }>();

  async function refresh(): Promise<void> {
    const ids = new Set(await listSnapshots(dataDirectory));
    for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
    for (const id of ids) if (!known.has(id)) known.set(id, await read(id));
  }

  async function read(id: string) {
    try {
      const snapshot = await readSnapshot(dataDirectory, id);
      const isChosen = chosen.length === 0 || chosen.includes(snapshot.imageCacheId) || chosen.includes(id);
      if (isChosen) return { snapshot, chains: chainsOf(snapshot) };
    } catch (error) {
      if (errorCode(error) !== 'nodes.snapshot-missing')
        log.warn({ id, reason: describeError(error) }, 'snapshot left out');
    }
    return { snapshot: undefined, chains: new Map<string, SnapshotLayer>() };
  }

  return {
    async find(chainId) {
      await refresh();
      for (const { chains } of known.values()) {
        const layer = chains.get(chainId);
        if (layer) return layer;
      }
      return undefined;
    },
    async snapshots() {
      await refresh();
      const found = [...known.values()].flatMap(({ snapshot }) => snapshot ?? []);
      return found.toSorted((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt));
    },
  };
}

function chainsOf(snapshot: Snapshot): Map<string, SnapshotLayer> {
  const chains = new Map<string, SnapshotLayer>();
  for (const { layers } of snapshot.images) {
    const ids = chainIds(layers.map((layer) => layer.diffId));
    for (const [place, layer] of layers.entries()) {
      const id = ids[place];
      if (id !== undefined) chains.set(id, layer);
    }
  }
  return chains;
}

async function listSnapshots(dataDirectory: string): Promise<string[]> {
  const names = await readdir(join(dataDirectory, 'snapshots')).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  });
  const ids = names.filter((name) => name.endsWith(SUFFIX)).map((name) => name.slice(0, -SUFFIX.length));
  return ids.filter(isSnapshotId);
}
