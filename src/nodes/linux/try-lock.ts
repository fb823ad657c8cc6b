import { errorCode } from '../../lib/errors.ts';
import type { Libc } from '../../lib/libc.ts';
import { explainFailure } from './explain-failure.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes flock(2)'s lock on an open file, for this descriptor alone; closing it, in whatever way, gives the lock back. False
 * where another has it. Throws `nodes.…` for any other failure.
 */
export function tryLock(libc: Libc, fd: number, path: string): boolean {
  try {
    libc.flock(fd, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EAGAIN' || errorCode(error) === 'EWOULDBLOCK') return false;
    throw explainFailure('lock', path, error);
  }
}
