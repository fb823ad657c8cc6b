import { execFile } from 'node:child_process';
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { describeError, errorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';

const execute = promisify(execFile);
const UMOUNT_TIMEOUT_MS = 10_000;

/** What an attachment record of src/nodes says of its layers; the rest is the node's. */
const recordSchema = z.object({ layers: z.array(z.string()) });

/** Mount point of a layer, somewhere below the folder of mounts; the name is the hex digits of the blob's key. */
const LAYER_MOUNT = /\/layers\/([0-9a-f]{64})$/;

/**
 * The blobs that this machine has attached from the data folder, by the hex digits of their keys: what the records of
 * src/nodes name, and what is mounted. The records are root's; a server of another user sees the mounts alone. A blob that is
 * missed here by a race is no loss: a mount keeps its file, whatever becomes of its name.
 */
export async function attachedBlobs(dataDirectory: string): Promise<ReadonlySet<string>> {
  const mounts = join(await realpath(dataDirectory), 'mounts');
  const found = new Set((await layerMounts(mounts)).map(({ hex }) => hex));
  const records = [await recordsIn(join(mounts, 'attached')), await recordsIn(join(mounts, 'run', 'attached'))];
  for (const path of records.flat()) {
    const record = recordSchema.safeParse(await readJson(path));
    for (const name of record.success ? record.data.layers : []) found.add(name);
  }
  return found;
}

/**
 * Unmounts a layer lazily: the overlays that stand on it keep it, and the next attachment mounts the blob that is there then.
 * Only root can; where the server is somebody else the mount stays until its attachments end.
 */
export async function detachLayer(dataDirectory: string, hex: string, log: Logger): Promise<void> {
  const mounts = join(await realpath(dataDirectory), 'mounts');
  for (const { mountPoint } of (await layerMounts(mounts)).filter((mount) => mount.hex === hex)) {
    await execute('umount', ['-l', mountPoint], { timeout: UMOUNT_TIMEOUT_MS }).catch((error: unknown) => {
      const advice = 'a damaged layer is still mounted: end the attachments that have it';
      log.error({ mountPoint, err: describeError(error) }, advice);
    });
  }
}

async function layerMounts(folder: string): Promise<{ mountPoint: string; hex: string }[]> {
  const table = await readFile('/proc/self/mountinfo').catch(() => Buffer.alloc(0));
  return table
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      // Field 5 is the mount point, with spaces and the like in octal (proc_pid_mountinfo(5)).
      const mountPoint = (line.split(' ', 5)[4] ?? '').replaceAll(/\\([0-7]{3})/g, (_, octal: string) => {
        return String.fromCharCode(Number.parseInt(octal, 8));
      });
      const hex = LAYER_MOUNT.exec(mountPoint)?.[1];
      return hex !== undefined && mountPoint.startsWith(`${folder}/`) ? [{ mountPoint, hex }] : [];
    });
}

async function recordsIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json')).map((name) => join(folder, name));
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes(errorCode(error) ?? '')) return [];
    throw error;
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}
