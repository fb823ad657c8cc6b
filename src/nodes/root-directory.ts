import { chmod, chown, lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { HEAD_BYTES, IMPLICIT_ROOT, volumeNameOf } from '../layers/erofs/index.ts';
import { LarderError } from '../lib/errors.ts';
import { MAX_OVERLAY_LAYERS, type MountPlan } from './mount-plan.ts';
import type { NodeFolders } from './node-state.ts';
import { runTool } from './run-tool.ts';

const TOUCH_TIMEOUT_MS = 10_000;

/**
 * An overlay's root shows the attributes of the uppermost layer's root, which hardly any layer's tar names. Where a layer
 * below names it, this makes an empty directory with that one's owner, mode and time, to be stacked on top; it is kept, and
 * shared by all images with the same root. Undefined where the uppermost layer's root will do: it is named, or none is.
 * The layers must be mounted. The root's extended attributes are not carried over; with 500 layers there is no room.
 */
export async function rootDirectory(plan: MountPlan, folders: NodeFolders): Promise<string | undefined> {
  if (plan.lowers.length === MAX_OVERLAY_LAYERS) return undefined;
  for (const [place, layer] of plan.layers.entries()) {
    if (!(await namesRoot(layer.file))) continue;
    return place === 0 ? undefined : copyOfRoot(join(folders.layers, layer.name), folders);
  }
  return undefined;
}

async function namesRoot(layerFile: string): Promise<boolean> {
  const file = await open(layerFile);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return volumeNameOf(buffer.subarray(0, bytesRead)) !== IMPLICIT_ROOT;
  } finally {
    await file.close();
  }
}

async function copyOfRoot(root: string, folders: NodeFolders): Promise<string> {
  const { mode, uid, gid, mtimeNs } = await lstat(root, { bigint: true });
  const permissions = Number(mode & 0o7777n);
  const copy = join(folders.root, 'roots', `${permissions.toString(8)}-${uid}-${gid}-${mtimeNs}`);
  await mkdir(copy, { recursive: true });
  await chown(copy, Number(uid), Number(gid));
  await chmod(copy, permissions);
  // touch(1), because Node.js sets times as floating-point seconds, which lose nanoseconds.
  const result = await runTool('touch', ['-m', '-r', root, copy], { timeoutMs: TOUCH_TIMEOUT_MS });
  if (result.exitCode !== 0) throw new LarderError('nodes.root-directory', `touch failed: ${result.stderr}`);
  return copy;
}
