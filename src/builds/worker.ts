import { failedExpiry } from '../caches/index.ts';
import { createBell } from '../lib/bell.ts';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import { underLease } from '../lib/lease.ts';
import type { ClaimedBuild } from '../store/ports.ts';
import { BuildProgress } from './build-progress.ts';
import { collectGarbage } from './collect-garbage.ts';
import { expireCaches } from './expire-caches.ts';
import { explainFailure } from './explain-failure.ts';
import { runBuild } from './run-build.ts';
import { type BuildServices, LEASE_MS, MAX_BUILD_ATTEMPTS } from './services.ts';

/** Without a wake-up the worker looks this often for builds that another process queued or lost. */
const IDLE_POLL_MS = 1_000;
/** How often unused layers are looked for; a deletion wakes it at once. */
const TIDY_INTERVAL_MS = 60_000;
/** The longest and the shortest wait for the next cache to expire: another process may have changed when that is. */
const MAX_EXPIRY_WAIT_MS = 60_000;
const MIN_EXPIRY_WAIT_MS = 1;

/** A layer that a build had found was put aside, because its bytes were no longer right: the next attempt converts it. */
const LOST_MEANWHILE = new Set(['store.layer-missing', 'blobs.not-found']);

export type Worker = {
  /** A build was queued or a cache deleted: look now. */
  wake(): void;
  /** Takes no new build, aborts those under way, gives their leases back. They go on at the next start. */
  stop(): Promise<void>;
};

/** Claims builds from the store and runs up to `maxBuilds` of them at once, until stopped. */
export function startWorker(services: BuildServices, options: { name: string; maxBuilds: number }): Worker {
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  const bell = createBell();
  let runs = 0;

  async function buildLoop(): Promise<void> {
    while (!stopping.signal.aborted) {
      const seen = bell.rings;
      // Every run is an owner of its own, so that a build taken up again by this process is fenced off from its first run.
      const owner = `${options.name}/${++runs}`;
      const build = running.size < options.maxBuilds ? await claim(owner) : undefined;
      if (!build) {
        await bell.wait(seen, IDLE_POLL_MS, stopping.signal);
        continue;
      }
      const run = runClaimed(build, owner).finally(() => {
        running.delete(run);
        bell.ring();
      });
      running.add(run);
    }
  }

  async function claim(owner: string): Promise<ClaimedBuild | undefined> {
    try {
      return await services.store.builds.claim(owner, services.clock.now(), LEASE_MS);
    } catch (error) {
      services.log.error({ err: describeError(error) }, 'cannot claim builds');
      return undefined;
    }
  }

  async function runClaimed(build: ClaimedBuild, owner: string): Promise<void> {
    const log = { build: build.id, imageCache: build.cache.id, attempt: build.attempt };
    services.log.info(log, 'build started');
    const progress = new BuildProgress((update) =>
      services.store.builds.update(build.id, owner, update, services.clock.now()),
    );
    try {
      if (build.attempt > MAX_BUILD_ATTEMPTS) {
        throw new LarderError('builds.too-many-attempts', `the build was interrupted ${build.attempt - 1} times`);
      }
      const renew = () => services.store.builds.renew(build.id, owner, services.clock.now() + LEASE_MS);
      const task = (signal: AbortSignal) =>
        withFlushing(progress, signal, (either) => runBuild(build, { services, owner, progress, signal: either }));
      await underLease(task, { renew, leaseMs: LEASE_MS, signal: stopping.signal });
      services.log.info(log, 'build finished');
    } catch (error) {
      await endFailed(build, { owner, progress, error }).catch((failure) => {
        // Nothing is lost: the lease lapses and the build is taken up again.
        services.log.error({ ...log, err: describeError(failure) }, 'cannot record the end of a build');
      });
    }
  }

  async function endFailed(
    build: ClaimedBuild,
    end: { owner: string; progress: BuildProgress; error: unknown },
  ): Promise<void> {
    const { owner, progress, error } = end;
    const log = { build: build.id, imageCache: build.cache.id, code: errorCode(error), err: describeError(error) };
    if (errorCode(error) === 'lease.lost') {
      services.log.info(log, 'build given up: taken over, or its cache was deleted');
      return;
    }
    if (stopping.signal.aborted) {
      await services.store.builds.release(build.id, owner);
      services.log.info(log, 'build interrupted; it goes on after the next start');
      return;
    }
    if (LOST_MEANWHILE.has(errorCode(error) ?? '') && build.attempt < MAX_BUILD_ATTEMPTS) {
      services.log.warn(log, 'a layer was lost while it was built; it goes on when its lease lapses');
      return;
    }
    services.log.warn(log, 'build failed');
    const nowMs = services.clock.now();
    const events = [...progress.takeEvents(), ...explainFailure(error, build)];
    const result = { status: 'Failed', expiresAtMs: failedExpiry(nowMs), events } as const;
    await services.store.builds.finish(build.id, owner, result, nowMs);
  }

  /** Beside the collection, which may take long: nobody is to be shown a cache whose time is over. */
  async function expireLoop(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      const seen = bell.rings;
      let waitMs = MAX_EXPIRY_WAIT_MS;
      try {
        const { deleted, nextMs = Number.POSITIVE_INFINITY } = await expireCaches(services, signal);
        waitMs = Math.min(Math.max(nextMs - services.clock.now(), MIN_EXPIRY_WAIT_MS), MAX_EXPIRY_WAIT_MS);
        // Their layers may be used by nobody now.
        if (deleted > 0) bell.ring();
      } catch (error) {
        if (!signal.aborted) services.log.error({ err: describeError(error) }, 'cannot remove expired caches');
      }
      await bell.wait(seen, waitMs, signal);
    }
  }

  async function tidyLoop(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      const seen = bell.rings;
      try {
        await collectGarbage(services, `${options.name}/collector`, signal);
      } catch (error) {
        if (!signal.aborted) services.log.error({ err: describeError(error) }, 'cannot remove what is no longer used');
      }
      await bell.wait(seen, TIDY_INTERVAL_MS, signal);
    }
  }

  const loops = [buildLoop(), expireLoop(), tidyLoop()];
  return {
    wake: () => bell.ring(),
    async stop() {
      stopping.abort(new LarderError('builds.stopping', 'the server is stopping'));
      await Promise.all(loops);
      await Promise.all(running);
    },
  };
}

/** Runs the task beside a loop that writes its progress; a lost lease seen by the loop aborts the task. */
async function withFlushing(
  progress: BuildProgress,
  signal: AbortSignal,
  task: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stopFlushing = new AbortController();
  const lost = new AbortController();
  const flushing = progress.keepFlushing(stopFlushing.signal).catch((error) => lost.abort(error));
  try {
    await task(AbortSignal.any([signal, lost.signal]));
  } finally {
    stopFlushing.abort();
    await flushing;
  }
}
