import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../lib/errors.ts';
import type { MountEntry } from '../index.ts';
import { shortLink } from './layer-names.ts';
import { readImageRecords } from './records.ts';

/** Containers and built images of Podman and CRI-O, unless storage.conf says otherwise. */
export const DEFAULT_GRAPH_ROOT = '/var/lib/containers/storage';
const SHARED_CONFIG = '/usr/share/containers/storage.conf';
export const SYSTEM_CONFIG = '/etc/containers/storage.conf';

/**
 * The layers among `ids` on which something stands: containers, running or stopped, and images built from ours, whose `lower`
 * files in the storages of this machine name our layers; images there that were pulled or tagged and have no layers of their
 * own; and what is mounted by itself (`podman image mount`).
 */
export async function referencedLayers(
  ids: readonly string[],
  { graphRoots, overlay, mounts }: { graphRoots: readonly string[]; overlay: string; mounts: readonly MountEntry[] },
): Promise<Set<string>> {
  const idOfLink = new Map(ids.map((id) => [shortLink(id), id]));
  const found = new Set(ids.filter((id) => mounts.some((entry) => entry.mountPoint.startsWith(`${overlay}/${id}/`))));
  const known = new Set(ids);
  for (const graphRoot of graphRoots) {
    const images = await orNothing(readFile(join(graphRoot, 'overlay-images/images.json'), 'utf8'), '');
    for (const { layer } of readImageRecords(images)) if (layer !== undefined && known.has(layer)) found.add(layer);
    const folder = join(graphRoot, 'overlay');
    for (const name of await orNothing(readdir(folder), [])) {
      const lower = await orNothing(readFile(join(folder, name, 'lower'), 'utf8'), '');
      // The uppermost of ours; those below it follow.
      const id = lower
        .split(':')
        .map((part) => idOfLink.get(part.slice('l/'.length)))
        .find(Boolean);
      if (id !== undefined) found.add(id);
    }
  }
  return found;
}

/** What Podman reads: the file, its text, the storage it names. CRI-O reads the same unless its own crio.conf differs. */
export async function readStorageConfig(
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ path: string; text: string; graphRoot: string }> {
  const paths = env.CONTAINERS_STORAGE_CONF ? [env.CONTAINERS_STORAGE_CONF] : [SYSTEM_CONFIG, SHARED_CONFIG];
  for (const path of paths) {
    const text = await orNothing(readFile(path, 'utf8'), undefined);
    if (text === undefined) continue;
    const graphRoot = /^\s*graphroot\s*=\s*["']([^"']+)["']/m.exec(text)?.[1] ?? DEFAULT_GRAPH_ROOT;
    return { path, text, graphRoot };
  }
  return { path: SYSTEM_CONFIG, text: '', graphRoot: DEFAULT_GRAPH_ROOT };
}

async function orNothing<Value, Nothing>(reading: Promise<Value>, nothing: Nothing): Promise<Value | Nothing> {
  try {
    return await reading;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error) ?? '')) return nothing;
    throw error;
  }
}
