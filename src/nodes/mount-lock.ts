import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { LarderError } from '../lib/errors.ts';

/** Longer than the slowest mount: 500 loop devices, at about 50 ms each. */
const LOCK_TIMEOUT_S = 120;

/**
 * Runs the task while no other process runs one under the same lock file. flock(1) holds the lock for as long as its
 * standard input is open, so the kernel gives it back whatever way this process ends.
 */
export async function withMountLock<T>(lockFile: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  const holder = spawn('flock', ['-w', `${LOCK_TIMEOUT_S}`, lockFile, 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
    // A Ctrl-C of the terminal goes to the whole foreground group; the lock must outlast the clean-up that follows it.
    detached: true,
  });
  const ended = once(holder, 'close').catch((cause: unknown) => {
    throw new LarderError('nodes.tool-missing', 'the program flock is not on PATH; install util-linux', { cause });
  });
  holder.stdin.on('error', () => {});
  const abort = () => holder.kill();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const locked = await Promise.race([once(holder.stdout, 'data').then(() => true), ended.then(() => false)]);
    signal?.throwIfAborted();
    if (!locked)
      throw new LarderError('nodes.locked', `another larder command has held ${lockFile} for ${LOCK_TIMEOUT_S} s`);
    signal?.removeEventListener('abort', abort);
    return await task();
  } finally {
    signal?.removeEventListener('abort', abort);
    holder.stdin.end();
    await ended;
  }
}
