/** Wakes those who wait. A ring between `rings` and `wait` is not missed. */
export type Bell = {
  ring(): void;
  /** How often it rang so far. */
  readonly rings: number;
  /** Settles when it has rung more than `seen` times, after `ms` milliseconds, or when the signal aborts; never rejects. */
  wait(seen: number, ms: number, signal: AbortSignal): Promise<void>;
};

export function createBell(): Bell {
  let rings = 0;
  const waiting = new Set<() => void>();
  return {
    ring() {
      rings++;
      for (const wake of waiting) wake();
    },
    get rings() {
      return rings;
    },
    wait(seen, ms, signal) {
      if (rings > seen || signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake);
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    },
  };
}
