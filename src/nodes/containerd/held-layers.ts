import { statSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, hexOf } from '../../lib/digest.ts';
import { errorCode } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { holdBlob, isMountPoint, mountLayers, mountTable, unmountLayers } from '../index.ts';
import type { HeldLayer } from './snapshot-record.ts';
import type { StateFolders } from './state-folders.ts';

export type HeldLayers = {
  /** Links the blob, checks its bytes and mounts it; again for one that is mounted is cheap. */
  mount(layer: HeldLayer): Promise<void>;
  /** Checks all, and mounts those that are not mounted, after a reboot or an umount by hand. Throws with the first that can't be. */
  ensureMounted(layers: readonly HeldLayer[]): Promise<void>;
  /** Unmounts and lets go of the bytes. */
  drop(layers: readonly HeldLayer[]): Promise<void>;
  /** Lets go of the bytes of all others. */
  dropLinksBut(layers: readonly HeldLayer[]): Promise<void>;
  /** Unmounts whatever is mounted below our folder and is none of these. */
  unmountOthers(layers: readonly HeldLayer[]): Promise<void>;
  fileOf(blob: Digest): string;
};

/** Layers of the data folder, held by hard links and mounted one per folder. To be called by one at a time. */
export function openHeldLayers(options: { dataDirectory: string; folders: StateFolders; log: Logger }): HeldLayers {
  const { dataDirectory, folders, log } = options;
  /** Where a blob is mounted from; not our link when the data folder is another file system. */
  const files = new Map<Digest, string>();

  async function mount(layer: HeldLayer): Promise<void> {
    const before = inodeOf(layer.blob);
    const file = await holdBlob({ dataDirectory, folder: folders.blobs, layer });
    // The bytes had been changed, and the cache has been built again into another file.
    if (before !== undefined && inodeOf(layer.blob) !== before) await unmountLayers([mountPointOf(layer)]);
    files.set(layer.blob, file);
    await mountLayers([{ name: `${layer.number}`, file, digest: layer.blobDigest }], { directory: folders.lowers });
  }

  const mountPointOf = (layer: HeldLayer) => join(folders.lowers, `${layer.number}`);
  const linkOf = (blob: Digest) => join(folders.blobs, `${hexOf(blob)}.erofs`);
  const inodeOf = (blob: Digest) => statSync(linkOf(blob), { bigint: true, throwIfNoEntry: false })?.ino;

  return {
    mount,
    async ensureMounted(layers) {
      for (const layer of layers) {
        await mount(layer).catch((error: unknown) => {
          // A mount outlives the name of its file, where no link could be made.
          const isMounted = isMountPoint(mountPointOf(layer));
          if (errorCode(error) !== 'nodes.layer-missing' || !isMounted) throw error;
        });
      }
    },
    async drop(layers) {
      await unmountLayers(layers.map((layer) => mountPointOf(layer)));
      for (const { blob } of layers) {
        files.delete(blob);
        await rm(linkOf(blob), { force: true });
      }
    },
    async dropLinksBut(layers) {
      const kept = new Set(layers.map((layer) => linkOf(layer.blob)));
      for (const name of await readdir(folders.blobs)) {
        const path = join(folders.blobs, name);
        if (!kept.has(path)) await rm(path);
      }
    },
    async unmountOthers(layers) {
      const ours = new Set(layers.map((layer) => mountPointOf(layer)));
      const mounted = (await mountTable())
        .map((entry) => entry.mountPoint)
        .filter((path) => dirname(path) === folders.lowers);
      const others = mounted.filter((path) => !ours.has(path));
      if (others.length > 0) log.info({ mounts: others.length }, 'leftover mounts are removed');
      await unmountLayers(others);
    },
    fileOf: (blob) => files.get(blob) ?? linkOf(blob),
  };
}
