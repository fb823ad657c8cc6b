import { setTimeout as sleep } from 'node:timers/promises';

/** Bursts up to this long are let through, so that a pause is not made for every piece. */
const BURST_MS = 100;

/** Where a pacer has the time from, and how it waits. */
export type PacerTime = { now(): number; sleep(ms: number, signal: AbortSignal): Promise<unknown> };

const SYSTEM_TIME: PacerTime = {
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};

/** Gives a function that is told of bytes and waits so that no more than `bytesPerSecond` go by in the long run. */
export function createPacer(
  bytesPerSecond: number,
  signal: AbortSignal,
  time = SYSTEM_TIME,
): (bytes: number) => Promise<void> {
  let freeAtMs = time.now();
  return async (bytes) => {
    const nowMs = time.now();
    freeAtMs = Math.max(freeAtMs, nowMs - BURST_MS) + (bytes / bytesPerSecond) * 1000;
    if (freeAtMs > nowMs) await time.sleep(freeAtMs - nowMs, signal);
  };
}
