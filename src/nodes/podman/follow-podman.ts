import { watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StoreFolders } from './store-folders.ts';
import { type SyncOptions, type SyncResult, snapshotIds, syncPodman } from './sync-podman.ts';

/** Watching a folder may miss things (network file systems); looking at its names costs nothing. */
const POLL_MS = 5_000;
/** Now and then everything, for what no snapshot tells: containers gone, mounts taken away by hand. */
const FULL_MS = 60_000;
/** A cache with many images writes one snapshot, an agent that starts may bring several at once. */
const SETTLE_MS = 200;

export type FollowOptions = Omit<SyncOptions, 'nowMs' | 'signal'> & {
  signal: AbortSignal;
  onSync: (result: SyncResult) => void;
  /** A pass failed; the next poll tries again. */
  onError: (error: unknown) => void;
};

/** Keeps a store in step until the signal aborts. To be called under the store's lock. What is mounted stays when it returns. */
export async function followPodman(folders: StoreFolders, options: FollowOptions): Promise<void> {
  const { signal, onSync, onError, dataDirectory } = options;
  let woken = new AbortController();
  const watcher = watchFolder(join(dataDirectory, 'snapshots'), () => woken.abort());
  try {
    let seen: string | undefined;
    let fullAtMs = 0;
    while (!signal.aborted) {
      try {
        // Both before the pass, so that what comes meanwhile is seen by the next.
        woken = new AbortController();
        const ids = (await snapshotIds(dataDirectory)).toSorted().join(' ');
        const due = performance.now() >= fullAtMs;
        if (ids !== seen || due) {
          const result = await syncPodman(folders, { ...options, nowMs: Date.now() });
          seen = result.problems.length > 0 ? undefined : ids;
          fullAtMs = performance.now() + FULL_MS;
          onSync(result);
        }
      } catch (error) {
        if (signal.aborted) return;
        seen = undefined;
        onError(error);
      }
      await sleep(POLL_MS, undefined, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => {});
      if (woken.signal.aborted) await sleep(SETTLE_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    watcher?.close();
  }
}

function watchFolder(folder: string, onChange: () => void): { close(): void } | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, onChange);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    // No inotify watch left: polling does it.
    return undefined;
  }
}
