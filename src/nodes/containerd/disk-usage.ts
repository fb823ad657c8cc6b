import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../lib/errors.ts';

/** In units of `st_blocks`, whatever the file system. */
const BLOCK_BYTES = 512;

/** Bytes on disk and inodes below a folder, each inode once (containerd/continuity, fs.DiskUsage). What vanishes meanwhile is not counted. */
export async function diskUsage(root: string): Promise<{ sizeBytes: number; inodes: number }> {
  const seen = new Set<string>();
  let sizeBytes = 0;
  const folders = [root];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const names = await unlessGone(readdir(folder));
    const paths = [...(folder === root ? [root] : []), ...(names ?? []).map((name) => join(folder, name))];
    for (const path of paths) {
      const found = await unlessGone(lstat(path));
      if (!found) continue;
      const inode = `${found.dev}:${found.ino}`;
      if (!seen.has(inode)) sizeBytes += found.blocks * BLOCK_BYTES;
      seen.add(inode);
      if (found.isDirectory() && path !== root) folders.push(path);
    }
  }
  return { sizeBytes, inodes: seen.size };
}

async function unlessGone<T>(task: Promise<T>): Promise<T | undefined> {
  return task.catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
}
