import { getPriority, setPriority } from 'node:os';

/** Where two want a core, one that is nicer by 5 gets a quarter of it. By 2 it made half as much of a difference. */
const NICER_BY = 5;
const NICEST = 19;

/**
 * Lets the calling thread, or a child by its pid, stand back behind the thread that answers calls: on few cores that one would
 * wait for a core longer than for anything else. They catch up while it waits for them.
 */
export function standBack(pid?: number): void {
  // Priorities are threads' on Linux alone; elsewhere 0 would be all of the process.
  if (pid === undefined && process.platform !== 'linux') return;
  try {
    setPriority(pid ?? 0, Math.min(NICEST, getPriority() + NICER_BY));
  } catch {
    // A child that has ended, or a system that forbids it: everything works all the same.
  }
}
