import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { IMAGE_CACHE_VIEW } from '../api/index.ts';
import { type DiskBlobs, openBlobKeeper, openDiskBlobs } from '../blobs/index.ts';
import { type CareServices, COMMAND_OWNER } from '../builds/index.ts';
import { systemClock } from '../lib/clock.ts';
import { errorCode } from '../lib/errors.ts';
import { silentLogger } from '../lib/logger.ts';
import { openSqliteStore, type Store } from '../store/index.ts';
import { attachedBlobs, detachLayer } from './attached-blobs.ts';
import { type DataFolder, loadSealKey, lockDataFolder } from './data-folder.ts';
import { openDataFolder } from './open-admin.ts';
import { createSealers } from './sealers.ts';

/** What commands that look after a data folder work with, beside a server that uses it or without one. */
export type Upkeep = Pick<CareServices, 'keeper' | 'clock' | 'log'> & {
  readonly store: Store;
  readonly blobs: DiskBlobs;
  readonly attachedBlobs: () => Promise<ReadonlySet<string>>;
  readonly detachLayer: (hex: string) => Promise<void>;
  /** For the leases that it takes: everything that it does is safe beside a server. */
  readonly owner: string;
  /** Whether a server uses the folder now. */
  isServed(): boolean;
  close(): Promise<void>;
};

/** Opens a data folder for its upkeep. Throws `server.no-data-folder` where no server ever started. */
export async function openUpkeep(dataDirectory: string): Promise<Upkeep> {
  const folder = await openDataFolder(dataDirectory);
  const sealers = createSealers(await loadSealKey(folder.sealKeyPath, randomBytes), randomBytes);
  const seal = sealers.registryCredentials;
  const store = await openSqliteStore({ path: folder.databasePath, seal, view: IMAGE_CACHE_VIEW });
  try {
    const blobs = await openDiskBlobs({ directory: dataDirectory });
    return {
      store,
      blobs,
      keeper: openBlobKeeper({ directory: dataDirectory }),
      attachedBlobs: () => attachedBlobs(dataDirectory),
      detachLayer: (hex) => detachLayer(dataDirectory, hex, silentLogger),
      clock: systemClock,
      log: silentLogger,
      owner: `${COMMAND_OWNER}${hostname()}/${process.pid}`,
      isServed: () => isServed(folder),
      close: () => store.close(),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Whether a server uses the data folder now. */
function isServed(folder: DataFolder): boolean {
  try {
    lockDataFolder(folder)();
    return false;
  } catch (error) {
    if (errorCode(error) === 'server.data-folder-busy') return true;
    throw error;
  }
}
