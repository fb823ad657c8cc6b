import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { onDisk } from '../../blobs/index.ts';
import { type Digest, digestOfHex } from '../../lib/digest.ts';
import { errorCode, LarderError } from '../../lib/errors.ts';

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

const SNAPSHOT_FILE = /^(s-[0-9a-z]{20})\.json$/;
const BLOB_FILE = /^([0-9a-f]{64})\.erofs(\.part)?$/;

export const socketPathOf = (dataDirectory: string): string => join(dataDirectory, 'agent.sock');

/** Makes the folders and takes them for this process, until released or the process ends. Throws `agent.data-folder`, `agent.running`. */
export async function openAgentFolder(dataDirectory: string): Promise<AgentFolder> {
  const agent = join(dataDirectory, 'agent');
  const incoming = join(agent, 'incoming');
  const folder = {
    directory: dataDirectory,
    snapshots: join(dataDirectory, 'snapshots'),
    incoming,
    incomingSnapshots: join(incoming, 'snapshots'),
    socketPath: socketPathOf(dataDirectory),
  };
  try {
    await mkdir(agent, { recursive: true, mode: 0o755 });
    for (const path of [join(dataDirectory, 'layers', 'sha256'), folder.snapshots, folder.incomingSnapshots])
      await mkdir(path, { recursive: true });
  } catch (cause) {
    const message = `cannot make the data folder ${dataDirectory}; choose another with --data`;
    throw new LarderError('agent.data-folder', message, { cause });
  }
  const release = lock(join(agent, 'lock'), dataDirectory);
  return { ...folder, release };
}

/** SQLite's file lock, as the server takes it: the kernel gives it back whatever way the process ends. */
function lock(path: string, dataDirectory: string): () => void {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    const message = `another larder node run uses ${dataDirectory}; stop it, or choose another folder with --data`;
    throw new LarderError('agent.running', message, { cause });
  }
  return () => database.close();
}

/** Ids of the snapshots whose manifests lie in a folder. */
export async function snapshotIdsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).flatMap((name) => SNAPSHOT_FILE.exec(name)?.[1] ?? []);
}

/** Every blob of a data folder, and every one that is under way. */
export async function blobFilesIn(dataDirectory: string): Promise<{ path: string; key: Digest; isPart: boolean }[]> {
  const entries = await readdir(join(dataDirectory, 'layers', 'sha256'), { recursive: true });
  return entries.flatMap((name) => {
    const [, hex, part] = BLOB_FILE.exec(basename(name)) ?? [];
    if (hex === undefined) return [];
    const path = join(dataDirectory, 'layers', 'sha256', name);
    return [{ path, key: digestOfHex(hex), isPart: part !== undefined }];
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

/** Keeps a manifest whose blobs are still to come. */
export async function writeIncoming(folder: AgentFolder, snapshotId: string, text: string): Promise<void> {
  await onDisk(() => writeFile(join(folder.incomingSnapshots, `${snapshotId}.json`), text));
}
