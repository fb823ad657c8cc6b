import { privateBytes } from './memory.ts';

const SAMPLE_MS = 50;

/** The lowest that a process had in the second quarter of the time, and in the last one. */
export type Quarters = { second: number; last: number };

/**
 * Samples the memory of processes while something goes on, and says at its end whether it grew meanwhile. The lowest of many
 * samples is what is left after a collection; the first quarter, in which code is loaded and heaps find their size, is left out.
 */
export function watchMemory(pids: readonly number[]): { end(): Promise<Quarters[]> } {
  const samples: { atMs: number; bytes: number[] }[] = [];
  const startMs = performance.now();
  let pending = Promise.resolve();
  const take = async () => {
    samples.push({ atMs: performance.now() - startMs, bytes: await Promise.all(pids.map(privateBytes)) });
  };
  const timer = setInterval(() => {
    // One that fails is told of at the end.
    pending = pending.then(take);
    pending.catch(() => undefined);
  }, SAMPLE_MS);
  return {
    async end() {
      clearInterval(timer);
      await pending;
      await take();
      const endMs = samples.at(-1)?.atMs ?? 0;
      const lowest = (index: number, from: number, to: number) =>
        Math.min(
          ...samples
            .filter(({ atMs }) => atMs >= from * endMs && atMs <= to * endMs)
            .map(({ bytes }) => bytes[index] ?? Number.NaN),
        );
      return pids.map((_, index) => ({ second: lowest(index, 0.25, 0.5), last: lowest(index, 0.75, 1) }));
    },
  };
}
