import { setTimeout as sleep } from 'node:timers/promises';
import { LarderError } from './errors.ts';

/**
 * Runs the task while renewing its lease three times per lease period. When a renewal says no (another worker took over,
 * or the thing was deleted) the task's signal aborts with `lease.lost`. A renewal that throws is tried again until the
 * lease must have run out: a database that is away for a moment costs nothing.
 */
export async function underLease<T>(
  task: (signal: AbortSignal) => Promise<T>,
  lease: { renew: () => Promise<boolean>; leaseMs: number; signal: AbortSignal },
): Promise<T> {
  const lost = new AbortController();
  const finished = new AbortController();
  const signal = AbortSignal.any([lease.signal, lost.signal]);

  async function keepRenewing(): Promise<void> {
    let failures = 0;
    for (;;) {
      await sleep(lease.leaseMs / 3, undefined, { signal: finished.signal, ref: false });
      try {
        if (!(await lease.renew())) throw new LarderError('lease.lost', 'another worker holds this lease now');
        failures = 0;
      } catch (error) {
        const isLost = error instanceof LarderError && error.code === 'lease.lost';
        if (isLost || ++failures >= 2) return lost.abort(error);
      }
    }
  }

  const renewing = keepRenewing().catch(() => undefined);
  try {
    return await task(signal);
  } finally {
    finished.abort();
    await renewing;
  }
}
