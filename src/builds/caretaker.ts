import { setTimeout as sleep } from 'node:timers/promises';
import { createBell } from '../lib/bell.ts';
import { describeError, LarderError } from '../lib/errors.ts';
import { copyManifests } from './check-manifest.ts';
import { collectGarbage } from './collect-garbage.ts';
import { createPacer } from './pacer.ts';
import { rebuildLayers } from './rebuild-layers.ts';
import { scrubBlob } from './scrub-blob.ts';
import type { CareServices } from './services.ts';
import { checkAfterStart, checkManifests } from './startup-check.ts';

/** How often lost layers are looked for without a wake-up: `larder scrub` finds them in a process of its own. */
const REBUILD_POLL_MS = 2_000;
/** How often files that no row names are looked for. */
const ORPHANS_INTERVAL_MS = 3_600_000;
/** How often it is asked which blobs are due, and how many are then taken. */
const SCRUB_POLL_MS = 60_000;
const SCRUB_BATCH = 50;
/** A blob is due after this share of the interval; the rest of it is for reading them all. */
const DUE_SHARE = 0.75;
/** What was put aside is kept for whoever looks into it. */
const QUARANTINE_MS = 30 * 86_400_000;
const DAY_MS = 86_400_000;

export type CareSettings = {
  /** Reading in the background takes at most so much of the disk; 0 turns it off. */
  scrubBytesPerSecond: number;
  /** Every blob is read at least this often. */
  scrubDays: number;
  /** Files that no row names stay for so long. */
  gcGraceMs: number;
};

export type Caretaker = {
  /** A build ended or a layer was lost: look now. */
  wake(): void;
  stop(): Promise<void>;
};

/** Keeps what is Ready right: checks after the start, reads blobs in the background, rebuilds what is lost, removes orphans. */
export function startCaretaker(services: CareServices, options: CareSettings & { name: string }): Caretaker {
  const { store, keeper, clock, log } = services;
  const stopping = new AbortController();
  const { signal } = stopping;
  const bell = createBell();
  const owner = `${options.name}/caretaker`;

  /** Runs until stopped; a failure is logged and costs a pause. */
  async function repeat(what: string, once: () => Promise<void>, pauseMs: number, rings = false): Promise<void> {
    while (!signal.aborted) {
      const seen = bell.rings;
      try {
        await once();
      } catch (error) {
        if (!signal.aborted) log.error({ err: describeError(error) }, what);
      }
      if (rings) await bell.wait(seen, pauseMs, signal);
      else await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async function rebuild(): Promise<void> {
    await copyManifests(services, signal);
    await rebuildLayers(services, owner, signal);
  }

  const intervalMs = options.scrubDays * DAY_MS;
  let manifestsCheckedMs = clock.now();
  let warnedMs = 0;
  async function scrub(): Promise<void> {
    const pace = createPacer(options.scrubBytesPerSecond, signal);
    for (;;) {
      const due = await store.health.dueBlobs(clock.now() - intervalMs * DUE_SHARE, SCRUB_BATCH);
      const [first] = due;
      if (first === undefined) break;
      if (first.checkedAtMs < clock.now() - intervalMs && warnedMs < clock.now() - DAY_MS) {
        warnedMs = clock.now();
        log.warn(
          { days: options.scrubDays, bytesPerSecond: options.scrubBytesPerSecond },
          'blobs were not read for longer than they should: raise LARDER_SCRUB_MIB_PER_SECOND or LARDER_SCRUB_DAYS',
        );
      }
      let read = 0;
      for (const blob of due) {
        try {
          if ((await scrubBlob(blob, services, { signal, onPiece: pace })) !== 'right') bell.ring();
          read++;
        } catch (error) {
          signal.throwIfAborted();
          log.error({ diffId: blob.diffId, err: describeError(error) }, 'cannot read a blob');
        }
      }
      if (read === 0) break;
    }
    if (manifestsCheckedMs < clock.now() - intervalMs * DUE_SHARE) {
      await checkManifests(services, { signal, isThorough: true });
      manifestsCheckedMs = clock.now();
    }
  }

  async function removeOrphans(): Promise<void> {
    await collectGarbage(services, owner, signal, { orphans: { keeper, graceMs: options.gcGraceMs } });
    const files = await keeper.pruneQuarantine(clock.now() - QUARANTINE_MS);
    if (files > 0) log.info({ files }, 'removed what was put aside a month ago');
  }

  async function run(): Promise<void> {
    await checkAfterStart(services, signal).catch((error: unknown) => {
      if (!signal.aborted) log.error({ err: describeError(error) }, 'the start-up check did not end');
    });
    const loops = [
      repeat('cannot look after lost layers', rebuild, REBUILD_POLL_MS, true),
      repeat('cannot look for orphans', removeOrphans, ORPHANS_INTERVAL_MS),
    ];
    if (options.scrubBytesPerSecond > 0) loops.push(repeat('cannot read blobs', scrub, SCRUB_POLL_MS));
    await Promise.all(loops);
  }

  const running = run();
  return {
    wake: () => bell.ring(),
    async stop() {
      stopping.abort(new LarderError('builds.stopping', 'the server is stopping'));
      await running;
    },
  };
}
