import { join } from 'node:path';
import { MAX_OPTIONS_BYTES, MAX_OVERLAY_LAYERS, OVERLAY_OPTIONS } from '../index.ts';
import { snapshotError } from './errors.ts';
import type { SnapshotRecord } from './snapshot-record.ts';
import type { StateFolders } from './state-folders.ts';

/** A mount that containerd, or its shim, makes (containerd, types.Mount). */
export type SnapshotMount = { readonly type: string; readonly source: string; readonly options: readonly string[] };

/** Those of Larder's own mounts: nothing in a layer makes the kernel look elsewhere. */
const SAFE_OPTIONS = OVERLAY_OPTIONS.map(([key, value]) => `${key}=${value}`);

/**
 * The folders that lie below a snapshot, topmost first. A layer that comes twice is stacked once, where it is topmost: all it
 * does below is done again above, and the kernel refuses the same directory twice.
 */
export function lowerNumbers(parents: readonly SnapshotRecord[]): number[] {
  return [...new Set(parents.map((parent) => parent.layer ?? parent.number))];
}

/**
 * What containerd mounts to get a snapshot (containerd v1.6.20, snapshots/overlay/overlay.go): a bind mount without parents,
 * an overlay with. A view has a folder of its own on top, which gives the root the image's attributes and lets a single
 * layer be an overlay, so that its whiteouts don't show. Throws `snapshots.failed-precondition` when the kernel can't
 * stack so many.
 */
export function snapshotMounts(
  folders: Pick<StateFolders, 'lowers' | 'works'>,
  snapshot: Pick<SnapshotRecord, 'number' | 'kind' | 'name'>,
  parents: readonly SnapshotRecord[],
): SnapshotMount[] {
  const own = join(folders.lowers, `${snapshot.number}`);
  const writable = snapshot.kind === 'active';
  if (parents.length === 0) return [{ type: 'bind', source: own, options: [writable ? 'rw' : 'ro', 'rbind'] }];
  const below = lowerNumbers(parents);
  const isFull = below.length === MAX_OVERLAY_LAYERS;
  const lowers = writable || isFull ? below : [snapshot.number, ...below];
  const layers = writable ? [`workdir=${join(folders.works, `${snapshot.number}`)}`, `upperdir=${own}`] : [];
  if (lowers.length > MAX_OVERLAY_LAYERS || compactBytes([...SAFE_OPTIONS, ...layers], lowers) > MAX_OPTIONS_BYTES) {
    const limit = `the kernel stacks at most ${MAX_OVERLAY_LAYERS}, in one page of options`;
    throw snapshotError('snapshots.failed-precondition', `${snapshot.name} stacks ${lowers.length} layers; ${limit}`);
  }
  const paths = lowers.map((number) => join(folders.lowers, `${number}`));
  const options = [...SAFE_OPTIONS, ...layers, `lowerdir=${paths.join(':')}`];
  return [{ type: 'overlay', source: 'overlay', options }];
}

/** Once the options near a page, containerd changes to the folder that all lower ones are in (mount/mount_linux.go, compactLowerdirOption). */
function compactBytes(others: readonly string[], lowers: readonly number[]): number {
  return Buffer.byteLength([...others, `lowerdir=${lowers.join(':')}`].join(','));
}
