import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

/** So many pages of the log are carried over together, as SQLite does by itself: 4 MiB. */
const CHECKPOINT_PAGES = 1_000;
/**
 * From this length of the log on SQLite carries it over by itself, in the commit: where the thread is gone, and for the few pages
 * that were written while it was at work. Only a log that is carried over whole is begun anew.
 */
export const FALLBACK_PAGES = 8 * CHECKPOINT_PAGES;
const CLOSE_TIMEOUT_MS = 10_000;
/** It holds nothing but a connection. */
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };

export type CheckpointRequest = 'checkpoint' | 'end';

export type Checkpointer = {
  /** To be called after commits: begins a checkpoint where one is due, and doesn't wait for it. */
  readonly afterCommit: () => void;
  /** Before the other connections are closed, so that the last one of them tidies up. */
  readonly close: () => Promise<void>;
};

/**
 * Carries SQLite's log over to the database on a thread of its own, with a connection of its own. By itself SQLite does it
 * inside of the commit that makes the log long enough: a thousand pages are written and two files synced, 0.3 and 0.4 s in which
 * the server answered nobody (strace beside bench/api.ts, matches on a database of 1 GB). The thread is started when there is something to do.
 */
export function createCheckpointer(path: string, pendingPages: () => number): Checkpointer {
  let worker: Worker | undefined;
  let isBusy = false;
  let isOver = false;

  function start(): Worker {
    const started = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), {
      workerData: path,
      resourceLimits: RESOURCE_LIMITS,
      execArgv: [],
    });
    started.on('message', () => {
      isBusy = false;
    });
    // Whoever commits does it from now on.
    started
      .on('error', () => undefined)
      .on('exit', () => {
        isOver = true;
      });
    started.unref();
    return started;
  }

  return {
    afterCommit() {
      if (isBusy || isOver || pendingPages() < CHECKPOINT_PAGES) return;
      isBusy = true;
      worker ??= start();
      worker.postMessage('checkpoint' satisfies CheckpointRequest);
    },
    async close() {
      if (!worker || isOver) return;
      isOver = true;
      // The process must not end before it.
      worker.ref();
      const ended = once(worker, 'exit').catch(() => undefined);
      worker.postMessage('end' satisfies CheckpointRequest);
      await Promise.race([ended, sleep(CLOSE_TIMEOUT_MS, undefined, { ref: false })]);
      await worker.terminate();
    },
  };
}
