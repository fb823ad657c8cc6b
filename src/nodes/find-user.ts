import { readdir, readFile, readlink } from 'node:fs/promises';
import { parseMountInfo } from './mount-info.ts';

const PROCESS_ID = /^\d+$/;

/**
 * A process in another mount namespace than ours in which a mount with this source is: a container that runs from it. Its mount
 * is a copy, so that ours comes off without a word while the container still uses what is below.
 */
export async function findUser(source: string): Promise<number | undefined> {
  const seen = new Set([await readlink('/proc/self/ns/mnt')]);
  for (const name of await readdir('/proc')) {
    if (!PROCESS_ID.test(name)) continue;
    try {
      const namespace = await readlink(`/proc/${name}/ns/mnt`);
      if (seen.has(namespace)) continue;
      seen.add(namespace);
      const mounts = parseMountInfo(await readFile(`/proc/${name}/mountinfo`, 'utf8'));
      if (mounts.some((entry) => entry.source === source)) return Number(name);
    } catch {
      // Ended meanwhile.
    }
  }
  return undefined;
}
