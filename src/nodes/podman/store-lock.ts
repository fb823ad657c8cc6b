import { closeSync, openSync } from 'node:fs';
import { LarderError } from '../../lib/errors.ts';
import { loadLibc, tryLock } from '../index.ts';
import type { StoreFolders } from './store-folders.ts';

/** Runs the task as the only one that writes the store. Throws `nodes.locked` at once where another process does; the kernel takes the lock off a killed one. */
export async function withStoreLock<T>(folders: StoreFolders, task: () => Promise<T>): Promise<T> {
  const libc = await loadLibc();
  const fd = openSync(folders.lock, 'a', 0o600);
  try {
    if (!tryLock(libc, fd, folders.lock)) {
      const message = `another larder node podman keeps ${folders.store}; see which with: fuser -v ${folders.lock}`;
      throw new LarderError('nodes.locked', message);
    }
    return await task();
  } finally {
    closeSync(fd);
  }
}
