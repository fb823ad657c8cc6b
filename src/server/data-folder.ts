import { access, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { SEAL_KEY_BYTES } from '../accounts/index.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { lockFile } from '../lib/lock-file.ts';
import { publishFile } from '../lib/publish-file.ts';
import { RESTORING_SUFFIX } from '../store/index.ts';

/** What lies where under `--data`. Layers and snapshots are readable by those who mount them; the rest is for the server alone. */
export type DataFolder = { directory: string; databasePath: string; sealKeyPath: string; lockPath: string };

export async function prepareDataFolder(directory: string): Promise<DataFolder> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new LarderError(
      'server.data-folder',
      `cannot make the data folder ${directory}; choose another with --data`,
      {
        cause: error,
      },
    );
  }
  const folder = dataFolderOf(directory);
  await mustBeRestored(folder);
  await mustHaveItsKey(folder);
  return folder;
}

/** Whoever began a restore wants what is in the backup, not a server without anything. */
async function mustBeRestored({ directory, databasePath }: DataFolder): Promise<void> {
  // The first file that it makes has a temporary name for a moment (backup/new-file.ts), which this name is part of.
  const mark = `${basename(databasePath)}${RESTORING_SUFFIX}`;
  if (!(await readdir(directory)).some((name) => name.includes(mark))) return;
  const message = `a restore into ${directory} was interrupted, or goes on: empty the folder and run larder restore again`;
  throw new LarderError('server.restore-unfinished', message);
}

/** The key is made before the database: a database without it was restored or copied, and a new key would open none of its secrets. */
async function mustHaveItsKey({ directory, databasePath, sealKeyPath }: DataFolder): Promise<void> {
  if (!(await exists(databasePath)) || (await exists(sealKeyPath))) return;
  const lost = `if it is lost for good, write 32 random bytes there (mode 0600), then make new access keys with larder account`;
  const message = `${directory} has a database and no seal.key: put the key of the server there, as it was at the time; ${lost}`;
  throw new LarderError('server.seal-key-missing', message);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

export function dataFolderOf(directory: string): DataFolder {
  return {
    directory,
    databasePath: join(directory, 'larder.db'),
    sealKeyPath: join(directory, 'seal.key'),
    lockPath: join(directory, 'server.lock'),
  };
}

/** Takes the folder for this process until the returned function is called or the process ends. Throws `server.data-folder-busy`. */
export function lockDataFolder(folder: DataFolder): () => void {
  try {
    return lockFile(folder.lockPath);
  } catch (cause) {
    const message = `another larder serve uses ${folder.directory}; stop it, or choose another folder with --data`;
    throw new LarderError('server.data-folder-busy', message, { cause });
  }
}

/** The key that seals secrets in the database: made once, mode 0600, on stable storage before anything is sealed with it. */
export async function loadSealKey(path: string, randomBytes: RandomBytes): Promise<Uint8Array> {
  try {
    const key = await readFile(path);
    if (key.length === SEAL_KEY_BYTES) return key;
    throw new LarderError(
      'server.seal-key',
      `${path} has ${key.length} bytes instead of ${SEAL_KEY_BYTES}; restore it from a backup`,
    );
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  const key = randomBytes(SEAL_KEY_BYTES);
  const temporary = `${path}.tmp`;
  await rm(temporary, { force: true });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(key);
    await publishFile(file, { from: temporary, to: path, bytes: key.length });
  } finally {
    await file.close();
  }
  return key;
}
