import { loadLibc } from './libc.ts';

/** `F_SETPIPE_SZ` (linux/fcntl.h). */
const SET_PIPE_SIZE = 1031;
/** `O_CLOEXEC`: no child gets the ends but the one they are given to. */
const CLOSE_ON_EXEC = 0o2000000;

/**
 * A pipe of the kernel's, which holds so many bytes where the system allows (pipe(7); up to 1 MiB for everybody). Node's own
 * pipes to children hold 200 KB: each side waits for the other every fraction of a millisecond. Numbers are file descriptors,
 * for the caller to close.
 */
export async function makePipe(bytes: number): Promise<{ readEnd: number; writeEnd: number }> {
  const libc = await loadLibc();
  const ends = new Int32Array(2);
  libc.pipe2(new Uint8Array(ends.buffer), CLOSE_ON_EXEC);
  const [readEnd, writeEnd] = ends;
  if (readEnd === undefined || writeEnd === undefined) throw new TypeError('a pipe has two ends');
  try {
    libc.fcntl(writeEnd, SET_PIPE_SIZE, bytes);
  } catch {
    // This user has too many large pipes: a small one does the same, more slowly.
  }
  return { readEnd, writeEnd };
}
