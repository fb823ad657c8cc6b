import { setTimeout as sleep } from 'node:timers/promises';

/** Bursts up to this long are let through, so that a pause is not made for every piece. */
const BURST_MS = 100;

/** Gives a function that is told of bytes and waits so that no more than `bytesPerSecond` go by in the long run. */
export function createPacer(bytesPerSecond: number, signal: AbortSignal): (bytes: number) => Promise<void> {
  let freeAtMs = performance.now();
  return async (bytes) => {
    const nowMs = performance.now();
    freeAtMs = Math.max(freeAtMs, nowMs - BURST_MS) + (bytes / bytesPerSecond) * 1000;
    if (freeAtMs > nowMs) await sleep(freeAtMs - nowMs, undefined, { signal });
  };
}
