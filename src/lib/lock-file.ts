import { DatabaseSync } from 'node:sqlite';

/**
 * Takes a lock file (made where there is none) for this process until the returned function is called or the process ends,
 * however it ends: SQLite's own file lock is the one lock of the operating system that Node reaches without a native module.
 * Throws at once where another process has it.
 */
export function lockFile(path: string): () => void {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    throw error;
  }
  return () => lock.close();
}
