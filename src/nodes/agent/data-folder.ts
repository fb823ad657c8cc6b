import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createLayout, diffIdOfFile, onDisk, snapshotIdOfFile, syncName } from '../../blobs/index.ts';
import type { Digest } from '../../lib/digest.ts';
import { errorCode, LarderError } from '../../lib/errors.ts';
import { lockFile } from '../../lib/lock-file.ts';
import { PART_SUFFIX } from './part-file.ts';

/**
 * The data folder of a node. Layers and snapshots lie as on a server (blobs/layout.ts), so that all that starts containers
 * works on either; the rest is the agent's:
 *
 *     layers/sha256/<2 hex>/<64 hex>.erofs        blobs, verified; `.erofs.part` is one under way
 *     snapshots/<s-id>.json                       manifests of complete snapshots
 *     agent/incoming/snapshots/<s-id>.json        manifests whose blobs are under way
 *     agent/lock, agent.sock
 */
export type AgentFolder = {
  readonly directory: string;
  readonly snapshots: string;
  /** A folder with the layout of a data folder, for manifests only. */
  readonly incoming: string;
  readonly incomingSnapshots: string;
  readonly socketPath: string;
  /** Frees the folder for another agent. */
  release(): void;
};

export const socketPathOf = (dataDirectory: string): string => join(dataDirectory, 'agent.sock');

/** Makes the folders and takes them for this process, until released or the process ends. Throws `agent.data-folder`, `agent.running`. */
export async function openAgentFolder(dataDirectory: string): Promise<AgentFolder> {
  const layout = createLayout(dataDirectory);
  const agent = join(dataDirectory, 'agent');
  const incoming = join(agent, 'incoming');
  const folder = {
    directory: dataDirectory,
    snapshots: layout.snapshots,
    incoming,
    incomingSnapshots: createLayout(incoming).snapshots,
    socketPath: socketPathOf(dataDirectory),
  };
  try {
    await mkdir(agent, { recursive: true, mode: 0o755 });
    await mkdir(folder.incomingSnapshots, { recursive: true });
    for (const path of [layout.blobs, folder.snapshots]) {
      await mkdir(path, { recursive: true });
      // Its name and that of the folder above: publishing a file goes no higher.
      await syncName(join(path, 'any'));
    }
    await syncName(join(dataDirectory, 'any'));
  } catch (cause) {
    const message = `cannot make the data folder ${dataDirectory}; choose another with --data`;
    throw new LarderError('agent.data-folder', message, { cause });
  }
  const release = lock(join(agent, 'lock'), dataDirectory);
  return { ...folder, release };
}

function lock(path: string, dataDirectory: string): () => void {
  try {
    return lockFile(path);
  } catch (cause) {
    const message = `another larder node run uses ${dataDirectory}; stop it, or choose another folder with --data`;
    throw new LarderError('agent.running', message, { cause });
  }
}

/** Ids of the snapshots whose manifests lie in a folder. */
export async function snapshotIdsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).flatMap((name) => snapshotIdOfFile(name) ?? []);
}

/** Every blob of a data folder, and every one that is under way. */
export async function blobFilesIn(dataDirectory: string): Promise<{ path: string; key: Digest; isPart: boolean }[]> {
  const { blobs } = createLayout(dataDirectory);
  const entries = await readdir(blobs, { recursive: true });
  return entries.flatMap((entry) => {
    const isPart = entry.endsWith(PART_SUFFIX);
    const key = diffIdOfFile(basename(entry, PART_SUFFIX));
    return key === undefined ? [] : [{ path: join(blobs, entry), key, isPart }];
  });
}

/** Undefined where there is no file. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Keeps a manifest whose blobs are still to come. Nothing is synced here: what a power cut tears is no manifest and is asked for
 * again, and publishing syncs the file before it is moved.
 */
export async function writeIncoming(folder: AgentFolder, snapshotId: string, text: string): Promise<void> {
  await onDisk(() => writeFile(join(folder.incomingSnapshots, `${snapshotId}.json`), text));
}
