import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { errorCode } from '../lib/errors.ts';

/** What an attachment record of src/nodes says of its layers; the rest is the node's. */
const recordSchema = z.object({ layers: z.array(z.string()) });

/**
 * The blobs that this machine has attached from the data folder, by the hex digits of their keys: what the records below
 * `mounts/attached` name, and what is mounted below `mounts/layers`. The records are root's; a server of another user sees
 * the mounts alone. A blob that goes missing here by a race is no loss: a mount keeps its file, whatever becomes of its name.
 */
export async function attachedBlobs(dataDirectory: string): Promise<ReadonlySet<string>> {
  const mounts = join(await realpath(dataDirectory), 'mounts');
  const found = new Set<string>(await mountedLayers(join(mounts, 'layers')));
  for (const path of await recordsIn(join(mounts, 'attached'))) {
    const record = recordSchema.safeParse(await readJson(path));
    for (const name of record.success ? record.data.layers : []) found.add(name);
  }
  return found;
}

async function mountedLayers(folder: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo').catch(() => Buffer.alloc(0));
  // Field 5 is the mount point, with spaces and the like in octal (proc_pid_mountinfo(5)).
  const escaped = folder.replaceAll(/[ \t\n\\]/g, (character) => {
    return `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`;
  });
  const names: string[] = [];
  for (const line of table.toString('utf8').split('\n')) {
    const mountPoint = line.split(' ', 5)[4] ?? '';
    if (mountPoint.startsWith(`${escaped}/`)) names.push(mountPoint.slice(escaped.length + 1));
  }
  return names;
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
