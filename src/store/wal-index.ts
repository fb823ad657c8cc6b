import { closeSync, openSync, realpathSync } from 'node:fs';
import { mapFile } from '../lib/map-file.ts';

/**
 * The WAL index begins with a header in two copies, and what checkpoints need
 * (https://sqlite.org/walformat.html#the_wal_index_header).
 */
const HEADER_BYTES = 48;
const MAPPED_BYTES = 2 * HEADER_BYTES + 4;
/** Places of `mxFrame` and `nBackfill`, as integers of 4 bytes. */
const [MAX_FRAME, BACKFILLED] = [4, (2 * HEADER_BYTES) / 4];

export type WalIndex = {
  /** A number that changes when any connection of any process commits anything, this one's included. */
  readonly commits: () => number;
  /** Pages of the log that no checkpoint has carried over to the database yet. */
  readonly pendingPages: () => number;
  /** Only after all connections of this process: closing a file lets go of all locks the process has on it (fcntl(2)). */
  readonly close: () => void;
};

/**
 * Looks at the header that every commit in WAL mode changes, in the file beside the database that SQLite has in memory as well.
 * `pragma data_version` asks for the same and takes two locks, and reading the file is a system call: every call of the API
 * asks three times, which was a sixteenth of the time of a page of caches (bench/api.ts --profile). A commit is visible to readers only
 * after it is in the header.
 *
 * The database at `path` must be open: SQLite cuts the file off only while nobody has it.
 */
export async function openWalIndex(path: string): Promise<WalIndex> {
  // Where SQLite has it: it follows links.
  const file = openSync(`${realpathSync(path)}-shm`, 'r');
  const { index: mapped, unmap } = await mapIndex(file);
  const header = mapped.subarray(0, HEADER_BYTES / 4);
  const known = new Int32Array(header.length);
  let commits = 0;
  return {
    commits() {
      // Half an old header and half a new one differ from the whole one that comes next: counted twice, missed never.
      for (let index = 0; index < header.length; index++) {
        if (header[index] === known[index]) continue;
        known.set(header);
        return ++commits;
      }
      return commits;
    },
    pendingPages: () => (mapped[MAX_FRAME] ?? 0) - (mapped[BACKFILLED] ?? 0),
    close() {
      unmap();
      closeSync(file);
    },
  };
}

async function mapIndex(file: number): Promise<{ index: Int32Array; unmap: () => void }> {
  try {
    const { memory, unmap } = await mapFile(file, MAPPED_BYTES);
    return { index: new Int32Array(memory), unmap };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}
