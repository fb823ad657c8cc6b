import { closeSync, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LarderError } from '../lib/errors.ts';
import { loadLibc, tryLock } from './linux/index.ts';

/** Longer than the slowest attachment: 500 layers on loop devices, after all their bytes were read to be checked. */
const LOCK_TIMEOUT_MS = 120_000;
/** flock(2) has no time-out, so it is asked again, after pauses that grow from the first to the second. */
const FIRST_PAUSE_MS = 1;
const MAX_PAUSE_MS = 20;

/**
 * Runs the task while no other task, of this process or of another, runs under the same lock file (made where there is none;
 * its folder must exist). The lock is flock(2)'s: the kernel gives it back whatever way this process ends. Throws
 * `nodes.locked` after two minutes, or the signal's reason.
 */
export async function withMountLock<T>(lockFile: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  const libc = await loadLibc();
  const fd = openSync(lockFile, 'a', 0o600);
  try {
    const deadlineMs = performance.now() + LOCK_TIMEOUT_MS;
    for (let pauseMs = FIRST_PAUSE_MS; !tryLock(libc, fd, lockFile); pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      if (performance.now() > deadlineMs) {
        const message = `another larder command has held ${lockFile} for ${LOCK_TIMEOUT_MS / 1000} s; see which with: fuser -v`;
        throw new LarderError('nodes.locked', message);
      }
      await sleep(pauseMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
    return await task();
  } finally {
    // Gives the lock back as well: no other process has this descriptor.
    closeSync(fd);
  }
}
