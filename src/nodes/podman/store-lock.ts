import { closeSync, openSync } from 'node:fs';
import { errorCode, LarderError } from '../../lib/errors.ts';
import { explainFailure, loadLibc } from '../index.ts';
import type { StoreFolders } from './store-folders.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/** Runs the task as the only one that writes the store. Throws `nodes.locked` at once where another process does; the kernel takes the lock off a killed one. */
export async function withStoreLock<T>(folders: StoreFolders, task: () => Promise<T>): Promise<T> {
  const libc = await loadLibc();
  const fd = openSync(folders.lock, 'a', 0o600);
  try {
    libc.flock(fd, LOCK_EX | LOCK_NB);
  } catch (error) {
    closeSync(fd);
    if (!['EAGAIN', 'EWOULDBLOCK'].includes(errorCode(error) ?? '')) throw explainFailure('lock', folders.lock, error);
    const message = `another larder node podman keeps ${folders.store}; see which with: fuser -v ${folders.lock}`;
    throw new LarderError('nodes.locked', message);
  }
  try {
    return await task();
  } finally {
    closeSync(fd);
  }
}
