/** Runs one task when a slot is free; a task that waits for its slot when the signal aborts never starts. */
export type Limit = <T>(task: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

/** At most `max` tasks at a time; the rest wait in the order they came. */
export function createLimit(max: number): Limit {
  let free = max;
  const waiting: (() => void)[] = [];

  function acquire(signal: AbortSignal | undefined): Promise<void> | undefined {
    signal?.throwIfAborted();
    if (free > 0) {
      free--;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const abort = () => {
        waiting.splice(waiting.indexOf(start), 1);
        reject(signal?.reason);
      };
      const start = () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      waiting.push(start);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Hands the slot straight to the next in line, so that a newcomer can't slip in between. */
  function release(): void {
    const next = waiting.shift();
    if (next) next();
    else free++;
  }

  return async (task, signal) => {
    await acquire(signal);
    try {
      return await task();
    } finally {
      release();
    }
  };
}

/** Takes a slot until the function that it resolves to is called; for what ends elsewhere than it began. */
export async function takeSlot(limit: Limit, signal?: AbortSignal): Promise<() => void> {
  const taken = Promise.withResolvers<() => void>();
  limit(() => new Promise<void>((release) => taken.resolve(release)), signal).catch(taken.reject);
  return taken.promise;
}
