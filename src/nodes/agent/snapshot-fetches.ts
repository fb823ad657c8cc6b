import { join } from 'node:path';
import { removeDurably } from '../../blobs/index.ts';
import type { Snapshot } from '../../caches/index.ts';
import { describeError, errorCode, LarderError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { readSnapshot } from '../index.ts';
import type { BlobDownloads } from './blob-downloads.ts';
import { type AgentFolder, writeIncoming } from './data-folder.ts';
import type { LocalSnapshots } from './local-snapshots.ts';
import type { ChosenCache, NodeSource } from './node-source.ts';
import { type WantedBlob, wantedBlobs } from './wanted-blobs.ts';

/** A snapshot that could not be fetched is tried again after this long, then twice as long, and so on. */
const BASE_RETRY_MS = 5_000;
const MAX_RETRY_MS = 60_000;

export type SnapshotFetch = {
  readonly cache: ChosenCache;
  readonly snapshotId: string;
  /** Undefined until the manifest is there. */
  readonly wanted: readonly WantedBlob[] | undefined;
  /** Of the blobs that are whole. */
  readonly doneBytes: number;
  readonly error: string | undefined;
  readonly isRunning: boolean;
};

type Fetch = { -readonly [Key in keyof SnapshotFetch]: SnapshotFetch[Key] } & {
  readonly controller: AbortController;
  failures: number;
  retryAtMs: number;
  promise: Promise<void>;
};

/** The snapshots that are on their way to the node. */
export type SnapshotFetches = {
  readonly all: ReadonlyMap<string, SnapshotFetch>;
  /** Starts a fetch, or one that failed again when its time has come. */
  want(cache: ChosenCache, snapshotId: string): void;
  /** Gives up those that are not wanted; their manifests go, their blobs are for the collector. */
  keepOnly(snapshotIds: ReadonlySet<string>): Promise<void>;
  /** What failed is tried again at the next {@link want}: the server is back. */
  retryNow(): void;
  /** Settles when nothing is under way. */
  idle(): Promise<void>;
  stop(): Promise<void>;
};

export function createSnapshotFetches(context: {
  folder: AgentFolder;
  source: NodeSource;
  downloads: BlobDownloads;
  local: LocalSnapshots;
  log: Logger;
}): SnapshotFetches {
  const { folder, source, downloads, local, log } = context;
  const all = new Map<string, Fetch>();

  async function run(fetch: Fetch): Promise<void> {
    const { cache, snapshotId } = fetch;
    const { signal } = fetch.controller;
    const facts = { cache: cache.id, name: cache.name, snapshot: snapshotId };
    const startMs = performance.now();
    try {
      const snapshot = await manifestOf(snapshotId, signal);
      fetch.wanted = wantedBlobs(snapshot);
      log.info({ ...facts, blobs: fetch.wanted.length, bytes: totalBytes(fetch.wanted) }, 'fetching');
      await fetchAll(fetch, fetch.wanted);
      signal.throwIfAborted();
      await local.publish(snapshot);
      all.delete(snapshotId);
      log.info({ ...facts, durationMs: Math.round(performance.now() - startMs) }, 'local');
    } catch (error) {
      if (signal.aborted) return;
      const text = describeError(error);
      if (text !== fetch.error) log.error({ ...facts, code: errorCode(error), err: text }, 'cannot fetch');
      fetch.error = text;
      fetch.retryAtMs = performance.now() + Math.min(BASE_RETRY_MS * 2 ** fetch.failures, MAX_RETRY_MS);
      fetch.failures++;
    } finally {
      fetch.isRunning = false;
    }
  }

  /** From the folder where an earlier attempt left it, else from the server. */
  async function manifestOf(snapshotId: string, signal: AbortSignal): Promise<Snapshot> {
    const kept = await readSnapshot(folder.incoming, snapshotId).catch(() => undefined);
    if (kept) return kept;
    await writeIncoming(folder, snapshotId, await source.manifest(snapshotId, signal));
    const snapshot = await readSnapshot(folder.incoming, snapshotId);
    if (snapshot.id === snapshotId) return snapshot;
    throw new LarderError('agent.bad-answer', `the server's manifest of ${snapshotId} is that of ${snapshot.id}`);
  }

  /** One that fails does not keep the others from coming. */
  async function fetchAll(fetch: Fetch, wanted: readonly WantedBlob[]): Promise<void> {
    const { snapshotId, controller } = fetch;
    const { signal } = controller;
    fetch.doneBytes = 0;
    const results = await Promise.allSettled(
      wanted.map(async (blob) => {
        await downloads.fetch(blob, snapshotId, signal);
        fetch.doneBytes += blob.bytes;
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  }

  function start(fetch: Fetch): void {
    fetch.isRunning = true;
    fetch.promise = run(fetch);
  }

  return {
    all,
    want(cache, snapshotId) {
      const known = all.get(snapshotId);
      if (known) {
        if (!known.isRunning && performance.now() >= known.retryAtMs) start(known);
        return;
      }
      const fetch: Fetch = {
        cache,
        snapshotId,
        wanted: undefined,
        doneBytes: 0,
        error: undefined,
        isRunning: true,
        controller: new AbortController(),
        failures: 0,
        retryAtMs: 0,
        promise: Promise.resolve(),
      };
      all.set(snapshotId, fetch);
      start(fetch);
    },
    async keepOnly(snapshotIds) {
      for (const [snapshotId, fetch] of all) {
        if (snapshotIds.has(snapshotId)) continue;
        all.delete(snapshotId);
        fetch.controller.abort();
        await fetch.promise;
        await removeDurably(join(folder.incomingSnapshots, `${snapshotId}.json`));
      }
    },
    retryNow() {
      for (const fetch of all.values()) fetch.retryAtMs = 0;
    },
    async idle() {
      while ([...all.values()].some((fetch) => fetch.isRunning))
        await Promise.all([...all.values()].map((fetch) => fetch.promise));
    },
    async stop() {
      for (const fetch of all.values()) fetch.controller.abort();
      await Promise.all([...all.values()].map((fetch) => fetch.promise));
    },
  };
}

function totalBytes(blobs: readonly WantedBlob[]): number {
  return blobs.reduce((sum, { bytes }) => sum + bytes, 0);
}
