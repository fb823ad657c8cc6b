import { createBell } from '../../lib/bell.ts';
import { type Clock, formatTime } from '../../lib/clock.ts';
import { describeError, errorCode, LarderError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { type Attachment, attachImage, detachImage } from '../index.ts';
import type { AgentStatus } from './agent-status.ts';
import { type BlobProgress, createBlobDownloads } from './blob-downloads.ts';
import { collectBlobs, collectIncoming } from './collect.ts';
import type { AgentFolder } from './data-folder.ts';
import { type AgentState, blobTotals, describeCaches } from './describe-agent.ts';
import { openLocalSnapshots } from './local-snapshots.ts';
import { type ChosenCache, createNodeSource, type Selection, type SourceClient } from './node-source.ts';
import { notLocal } from './not-local.ts';
import { createSnapshotFetches, type SnapshotFetches } from './snapshot-fetches.ts';
import { createUseReports } from './use-reports.ts';

/** A server that is away is asked again after this long, then twice as long, and so on. */
const BASE_AWAY_MS = 1_000;
const MAX_AWAY_MS = 30_000;
/** While a chosen cache is being built, its end is awaited at this pace. */
const BUILDING_POLL_MS = 2_000;
const BUILDING = new Set(['Preparing', 'Creating', 'Updating']);

export type AgentOptions = {
  readonly folder: AgentFolder;
  readonly client: SourceClient;
  /** For people: where the client's server is. */
  readonly endpoint: string;
  readonly selection: Selection;
  readonly serverData?: string | undefined;
  /** Blobs downloaded at once. */
  readonly concurrency: number;
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly log: Logger;
};

export type Agent = {
  /** Follows the server until the signal aborts; then what is under way is given up, to be resumed by the next agent. */
  run(signal: AbortSignal): Promise<void>;
  /** Fetches what is chosen now and returns. Throws what the server's answer was, and `agent.incomplete`. */
  runOnce(signal: AbortSignal): Promise<void>;
  status(): Promise<AgentStatus>;
  progress(): BlobProgress[];
  attach(request: AttachRequest, signal?: AbortSignal): Promise<Attachment>;
  detach(directory: string, signal?: AbortSignal): Promise<{ directory: string }>;
};

export type AttachRequest = { reference: string; directory: string; writable?: boolean | undefined };

/** Keeps the data folder of a node in step with the chosen caches of a server. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const { folder, client, log, clock, selection } = options;
  const source = createNodeSource(client);
  const { concurrency, serverData } = options;
  const downloads = createBlobDownloads({ source, dataDirectory: folder.directory, serverData, concurrency });
  const local = await openLocalSnapshots(folder, log);
  const fetches = createSnapshotFetches({ folder, source, downloads, local, log });
  const uses = createUseReports(client, log);
  const state: AgentState = { chosen: [], missing: [], server: 'unknown' };
  const bell = createBell();
  let { rings } = bell;
  const startedMs = clock.now();

  /** Asks what is chosen, and says in a line when the server went or came back. */
  async function ask(signal: AbortSignal): Promise<void> {
    try {
      const { caches, missing } = await source.choose(selection, signal);
      for (const name of missing)
        if (!state.missing.includes(name)) log.warn({ chosen: name }, 'no image cache of this name, id or tag');
      if (state.server === 'away') fetches.retryNow();
      if (state.server !== 'reachable') log.info({ endpoint: options.endpoint }, 'the server answers');
      Object.assign(state, { chosen: caches, missing, server: 'reachable', lastContactMs: clock.now() });
      delete state.serverError;
      uses.send();
    } catch (error) {
      signal.throwIfAborted();
      const text = describeError(error);
      if (text !== state.serverError)
        log.warn({ endpoint: options.endpoint, code: errorCode(error), err: text }, 'the server is away');
      Object.assign(state, { server: 'away', serverError: text });
      throw error;
    }
  }

  /** Starts what is missing, and removes what is neither chosen nor needed for the moment. */
  async function reconcile(): Promise<void> {
    const wanted = new Map<string, ChosenCache>();
    for (const cache of state.chosen) if (cache.snapshotId !== undefined) wanted.set(cache.snapshotId, cache);
    await fetches.keepOnly(new Set(wanted.keys()));
    for (const [snapshotId, cache] of wanted) if (!(await local.check(snapshotId))) fetches.want(cache, snapshotId);
    const coming = new Set([...fetches.all.values()].map(({ cache }) => cache.id));
    for (const [snapshotId, snapshot] of local.all) {
      // What an update replaces stays until the new content is whole.
      if (wanted.has(snapshotId) || coming.has(snapshot.imageCacheId)) continue;
      await local.remove(snapshotId);
      log.info({ cache: snapshot.imageCacheId, snapshot: snapshotId }, 'removed: no longer chosen');
    }
    await collectIncoming(folder, fetches);
    const freed = await collectBlobs(folder, { local, fetches });
    if (freed.blobs > 0) log.info(freed, 'removed blobs that nothing needs');
  }

  async function tidy(): Promise<void> {
    try {
      await reconcile();
    } catch (error) {
      log.error({ code: errorCode(error), err: describeError(error) }, 'the data folder cannot be kept in step');
    }
  }

  /** Waits; whoever rings meanwhile gets the folder tidied, unless it is not known yet what is chosen. */
  async function tidyUntil(dueMs: number, signal: AbortSignal): Promise<void> {
    for (let nowMs = performance.now(); nowMs < dueMs && !signal.aborted; nowMs = performance.now()) {
      await bell.wait(rings, dueMs - nowMs, signal);
      if (bell.rings > rings && state.lastContactMs !== undefined && !signal.aborted) await tidy();
      rings = bell.rings;
    }
  }

  async function stop(): Promise<void> {
    await uses.stop();
    await fetches.stop();
    await downloads.idle();
  }

  return {
    async run(signal) {
      try {
        for (let failures = 0; !signal.aborted; ) {
          try {
            await ask(signal);
            failures = 0;
            await tidy();
          } catch {
            failures++;
          }
          const awayMs = Math.min(BASE_AWAY_MS * 2 ** (failures - 1), MAX_AWAY_MS);
          await tidyUntil(performance.now() + (failures > 0 ? awayMs : pollMs(state, options.intervalMs)), signal);
        }
      } finally {
        await stop();
      }
    },

    async runOnce(signal) {
      try {
        await ask(signal);
        await reconcile();
        await Promise.race([fetches.idle(), aborted(signal)]);
        // What an update replaced can go now.
        await reconcile();
        checkComplete(state, fetches);
      } finally {
        await stop();
      }
    },

    status: async () => ({
      DataDirectory: folder.directory,
      Endpoint: options.endpoint,
      Pid: process.pid,
      StartedTime: formatTime(startedMs),
      Server: state.server,
      ...(state.lastContactMs === undefined ? {} : { LastContactTime: formatTime(state.lastContactMs) }),
      ...(state.serverError === undefined ? {} : { ServerError: state.serverError }),
      Missing: [...state.missing],
      Caches: describeCaches({ state, local, fetches, have: (key) => downloads.have(key) }),
      Downloads: downloads.active().map(({ key, bytes, have }) => ({ Blob: key, Bytes: bytes, LocalBytes: have })),
      ...(await blobTotals(folder)),
    }),
    progress: () => downloads.active(),

    async attach({ reference, directory, writable }, signal) {
      const found = local.find(reference);
      if (!found) throw await notLocal(client, reference, { fetches, signal });
      const attached = await attachImage({
        dataDirectory: folder.directory,
        snapshotId: found.snapshot.id,
        reference: found.reference,
        directory,
        ...(writable ? { writable: {} } : {}),
        signal,
      });
      uses.add({ imageCacheId: found.snapshot.imageCacheId, reference: found.reference });
      // While the server is away, the next answer of it is awaited.
      if (state.server === 'reachable') uses.send();
      return attached;
    },
    async detach(directory, signal) {
      const detached = await detachImage({ dataDirectory: folder.directory, directory, signal });
      // Its blobs may be nobody's now.
      bell.ring();
      return detached;
    },
  };
}

function pollMs({ chosen }: AgentState, intervalMs: number): number {
  const isBuilding = chosen.some(({ status }) => BUILDING.has(status));
  return isBuilding ? Math.min(intervalMs, BUILDING_POLL_MS) : intervalMs;
}

function checkComplete({ chosen, missing }: AgentState, fetches: SnapshotFetches): void {
  const problems = [
    ...missing.map((name) => `no image cache matches ${name}`),
    ...[...fetches.all.values()].map(({ cache, error }) => `${cache.id}: ${error ?? 'not fetched'}`),
    ...chosen.filter(({ snapshotId }) => snapshotId === undefined).map(({ id, status }) => `${id} is ${status}`),
  ];
  if (problems.length > 0)
    throw new LarderError('agent.incomplete', `not all that was chosen is here: ${problems.join('; ')}`);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
