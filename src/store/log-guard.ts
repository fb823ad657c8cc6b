import type { DatabaseSync } from 'node:sqlite';
import { LarderError } from '../lib/errors.ts';

/** SQLITE_IOERR, of which all errors of the disk are kinds (https://sqlite.org/rescode.html#ioerr). */
const IO_ERROR = 10;

export type LogGuard = {
  /** Runs an operation of the database, and looks at what it fails with. */
  watch<T>(operation: () => T): T;
  /** Call it before anything is written. Throws while the disk or another process is in the way. */
  beforeWrite(): void;
};

/**
 * Begins SQLite's log anew after an error of the disk. The kernel takes pages for written whose fsync failed, so what was
 * committed without one (unsynced.ts) may be missing from the disk for good; later commits would lie behind that gap, and a
 * power cut would take them along. A checkpoint carries the whole log, of which the page cache still knows all, into the
 * database, syncs it, and leaves an empty log.
 */
export function createLogGuard(database: DatabaseSync): LogGuard {
  let isBroken = false;
  return {
    watch(operation) {
      try {
        return operation();
      } catch (error) {
        if (isIoError(error)) isBroken = true;
        throw error;
      }
    },
    beforeWrite() {
      if (!isBroken || database.isTransaction) return;
      const busy = database.prepare('pragma wal_checkpoint(truncate)').get()?.busy;
      if (busy !== 0) throw new LarderError('store.busy', 'another process holds the database: try again');
      isBroken = false;
    },
  };
}

function isIoError(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  return typeof code === 'number' && (code & 0xff) === IO_ERROR;
}
