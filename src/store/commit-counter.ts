import { closeSync, openSync, realpathSync } from 'node:fs';
import { mapFile } from '../lib/map-file.ts';

/** Header of the WAL index, the first of its two copies (https://sqlite.org/walformat.html#the_wal_index_header). */
const HEADER_BYTES = 48;

export type CommitCounter = {
  /** A number that changes when any connection of any process commits anything, this one's included. */
  readonly current: () => number;
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
export async function openCommitCounter(path: string): Promise<CommitCounter> {
  // Where SQLite has it: it follows links.
  const file = openSync(`${realpathSync(path)}-shm`, 'r');
  const { header, unmap } = await mapHeader(file);
  const known = new Int32Array(header.length);
  let commits = 0;
  return {
    current() {
      // Half an old header and half a new one differ from the whole one that comes next: counted twice, missed never.
      for (let index = 0; index < header.length; index++) {
        if (header[index] === known[index]) continue;
        known.set(header);
        return ++commits;
      }
      return commits;
    },
    close() {
      unmap();
      closeSync(file);
    },
  };
}

async function mapHeader(file: number): Promise<{ header: Int32Array; unmap: () => void }> {
  try {
    const { memory, unmap } = await mapFile(file, HEADER_BYTES);
    return { header: new Int32Array(memory), unmap };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}
