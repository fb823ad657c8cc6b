import { DatabaseSync } from 'node:sqlite';

/**
 * Commits so many times a second to the database of a server that runs, without changing anything: what the server remembers of
 * its reads is worth nothing then. Ends when disposed.
 */
export function commitBeside(databasePath: string, commitsPerSecond: number): Disposable {
  const database = new DatabaseSync(databasePath);
  database.exec('pragma synchronous = off; pragma busy_timeout = 5000');
  const commit = database.prepare('update image_cache_counts set revision = revision');
  const timer = setInterval(() => commit.run(), 1_000 / commitsPerSecond);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      database.close();
    },
  };
}
