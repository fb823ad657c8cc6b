import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { copyAttributes, type Libc, namesRoot } from '../index.ts';
import type { SnapshotRecord } from './snapshot-record.ts';
import type { StateFolders } from './state-folders.ts';

/** The root of an image without layers, whatever the umask. */
const DEFAULT_MODE = 0o755;

/**
 * Gives a new snapshot's folder the owner, mode and time of its image's root: an overlay's root shows those of the uppermost
 * folder. A snapshot's own folder has got its parent's in this way, and its tar's on top; of held layers the uppermost whose
 * tar names the root counts, and hardly any does. Extended attributes of a root are not carried over.
 */
export function copyRootAttributes(
  libc: Libc,
  to: string,
  options: { folders: StateFolders; parents: readonly SnapshotRecord[]; layerFile: (layer: number) => string },
): void {
  const { folders, parents, layerFile } = options;
  const decides = parents.find((parent) => parent.layer === undefined || namesRoot(layerFile(parent.layer)));
  const source = decides ?? parents[0];
  if (source === undefined) chmodSync(to, DEFAULT_MODE);
  else copyAttributes(libc, join(folders.lowers, `${source.layer ?? source.number}`), to);
}
