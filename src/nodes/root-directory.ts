import { chmodSync, chownSync, closeSync, lstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { HEAD_BYTES, IMPLICIT_ROOT, volumeNameOf } from '../layers/erofs/index.ts';
import { type Libc, setMtime } from './linux/index.ts';
import { MAX_OVERLAY_LAYERS, type MountPlan } from './mount-plan.ts';
import type { NodeFolders } from './node-state.ts';

/**
 * An overlay's root shows the attributes of the uppermost layer's root, which hardly any layer's tar names. Where a layer
 * below names it, this makes an empty directory with that one's owner, mode and time, to be stacked on top; it is kept, and
 * shared by all images with the same root. Undefined where the uppermost layer's root will do: it is named, or none is.
 * The layers must be mounted. The root's extended attributes are not carried over; with 500 layers there is no room.
 */
export function rootDirectory(libc: Libc, plan: MountPlan, folders: NodeFolders): string | undefined {
  if (plan.lowers.length === MAX_OVERLAY_LAYERS) return undefined;
  const named = namedRoot(plan, folders);
  if (named === undefined || named === topRoot(plan, folders)) return undefined;
  const { mode, uid, gid, mtimeNs } = lstatSync(named, { bigint: true });
  const copy = join(folders.stacked, `root-${(mode & 0o7777n).toString(8)}-${uid}-${gid}-${mtimeNs}`);
  mkdirSync(copy, { recursive: true });
  copyAttributes(libc, named, copy);
  return copy;
}

/** Gives the upper directory of a writable attachment the attributes that the image's root has. */
export function copyRootAttributes(libc: Libc, plan: MountPlan, folders: NodeFolders, upper: string): void {
  const root = namedRoot(plan, folders) ?? topRoot(plan, folders);
  if (root === undefined) chmodSync(upper, 0o755);
  else copyAttributes(libc, root, upper);
}

/** The root of the uppermost layer whose tar names it. */
function namedRoot(plan: MountPlan, folders: NodeFolders): string | undefined {
  const layer = plan.layers.find((each) => namesRoot(each.file));
  return layer && join(folders.layers, layer.name);
}

function topRoot(plan: MountPlan, folders: NodeFolders): string | undefined {
  const [top] = plan.layers;
  return top && join(folders.layers, top.name);
}

/** Whether the layer's tar names its root directory; else the root's attributes are made up. */
export function namesRoot(layerFile: string): boolean {
  const file = openSync(layerFile, 'r');
  try {
    const head = Buffer.alloc(HEAD_BYTES);
    return volumeNameOf(head.subarray(0, readSync(file, head, 0, HEAD_BYTES, 0))) !== IMPLICIT_ROOT;
  } finally {
    closeSync(file);
  }
}

/** Owner, mode and time of last change; not extended attributes. */
export function copyAttributes(libc: Libc, from: string, to: string): void {
  const { mode, uid, gid, mtimeNs } = lstatSync(from, { bigint: true });
  chownSync(to, Number(uid), Number(gid));
  chmodSync(to, Number(mode & 0o7777n));
  setMtime(libc, to, mtimeNs);
}
