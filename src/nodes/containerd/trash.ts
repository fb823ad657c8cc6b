import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { StateFolders } from './state-folders.ts';

/** Moves the folders of all other numbers out of the way, which is quick; see {@link emptyTrash}. A mount point still in use stays. */
export async function moveOrphansToTrash(folders: StateFolders, kept: ReadonlySet<number>, log: Logger): Promise<void> {
  for (const folder of [folders.lowers, folders.works]) {
    for (const name of await readdir(folder)) {
      if (kept.has(Number(name))) continue;
      const to = join(folders.trash, `${folder === folders.works ? 'w' : 'l'}${name}`);
      await rename(join(folder, name), to).catch((error: unknown) => {
        log.warn({ name, reason: describeError(error) }, 'a leftover folder stays for now');
      });
    }
  }
}

/** Deletes for good; gigabytes take a while, so other work goes on meanwhile. */
export async function emptyTrash(folders: StateFolders): Promise<void> {
  for (const name of await readdir(folders.trash)) {
    await rm(join(folders.trash, name), { recursive: true, force: true });
  }
}
