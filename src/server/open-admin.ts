import { randomBytes } from 'node:crypto';
import { access } from 'node:fs/promises';
import { type Clock, systemClock } from '../lib/clock.ts';
import { errorCode, LarderError } from '../lib/errors.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { openSqliteStore, type Store } from '../store/index.ts';
import { type DataFolder, dataFolderOf, loadSealKey } from './data-folder.ts';
import { createSealers, type Sealers } from './sealers.ts';

/** What an operator's command works on: the server's own store, opened beside it. */
export type Admin = {
  readonly store: Pick<Store, 'accounts' | 'ram'>;
  readonly sealers: Sealers;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  close(): Promise<void>;
};

/**
 * Opens the store of a data folder, also while a server uses it: the database lets both in, and the server sees every change
 * with its next request. Throws `server.no-data-folder` where no server ever started.
 */
export async function openAdmin(dataDirectory: string, options: { clock?: Clock } = {}): Promise<Admin> {
  const { databasePath, sealKeyPath } = await openDataFolder(dataDirectory);
  const sealers = createSealers(await loadSealKey(sealKeyPath, randomBytes), randomBytes);
  const store = await openSqliteStore({ path: databasePath, seal: sealers.registryCredentials });
  return { store, sealers, clock: options.clock ?? systemClock, randomBytes, close: () => store.close() };
}

/** Where things lie in the data folder of a server that was started once. Throws `server.no-data-folder` for any other folder. */
export async function openDataFolder(dataDirectory: string): Promise<DataFolder> {
  const folder = dataFolderOf(dataDirectory);
  for (const path of [folder.databasePath, folder.sealKeyPath]) await mustExist(path, dataDirectory);
  return folder;
}

async function mustExist(path: string, dataDirectory: string): Promise<void> {
  try {
    await access(path);
  } catch (cause) {
    if (errorCode(cause) !== 'ENOENT') throw cause;
    const message = `${dataDirectory} is no data folder of a server: start larder serve once, or name the folder with --data`;
    throw new LarderError('server.no-data-folder', message, { cause });
  }
}
