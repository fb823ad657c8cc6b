import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSealer, SEAL_KEY_BYTES } from '../../../src/accounts/index.ts';
import { IMAGE_CACHE_VIEW } from '../../../src/api/index.ts';
import { openBlobKeeper, openDiskBlobs } from '../../../src/blobs/index.ts';
import { type CareServices, releaseDeadLeases, startWorker, type Worker } from '../../../src/builds/index.ts';
import { checkAfterStart } from '../../../src/builds/startup-check.ts';
import { createDecompressor, DEFAULT_LAYER_LIMITS } from '../../../src/layers/index.ts';
import { hashHere } from '../../../src/lib/hashing.ts';
import { createLimit } from '../../../src/lib/limit.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { attachedBlobs } from '../../../src/server/attached-blobs.ts';
import { openSqliteStore } from '../../../src/store/index.ts';
import { type FaultImages, PLATFORM } from './fault-images.ts';

const WORKERS = 2;
const START_TIMEOUT_MS = 20_000;

/** A real store, real blobs and two workers on one folder, with a clock that the test moves and a registry in memory. */
export type ModelHouse = {
  readonly services: CareServices;
  readonly clock: { nowMs: number };
  wake(): void;
  /** Stops the workers in the middle of what they do, closes all, and starts on the same folder. */
  restart(): Promise<void>;
  /** The hex digits of the blobs that lie there. */
  blobs(): Promise<Set<string>>;
  /** As src/nodes does: a record under `mounts` that says which blobs are in use. */
  attach(name: string, hexes: readonly string[]): Promise<void>;
  detach(name: string): Promise<void>;
  close(): Promise<void>;
};

export async function openModelHouse(directory: string, images: FaultImages): Promise<ModelHouse> {
  const clock = { nowMs: Date.now() };
  const seal = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
  const records = join(directory, 'mounts', 'attached');
  await mkdir(records, { recursive: true });
  let starts = 0;

  async function start(): Promise<{ services: CareServices; workers: Worker[] }> {
    const store = await openSqliteStore({ path: join(directory, 'larder.db'), seal, view: IMAGE_CACHE_VIEW });
    const blobs = await openDiskBlobs({ directory });
    await blobs.removeLeftovers();
    const services: CareServices = {
      store,
      blobs,
      keeper: openBlobKeeper({ directory }),
      attachedBlobs: () => attachedBlobs(directory),
      connect: images.connect,
      platform: PLATFORM,
      decompressorFor: () => createDecompressor(),
      hashing: hashHere,
      layerLimits: DEFAULT_LAYER_LIMITS,
      layerSlots: createLimit(4),
      largeLayers: createLimit(1),
      clock: { now: () => clock.nowMs },
      log: silentLogger,
    };
    await releaseDeadLeases(services);
    await checkAfterStart(services, AbortSignal.timeout(START_TIMEOUT_MS));
    const name = `start-${++starts}`;
    const workers = Array.from({ length: WORKERS }, (_, number) =>
      startWorker(services, { name: `${name}/${number}`, maxBuilds: 4 }),
    );
    return { services, workers };
  }

  async function stop(): Promise<void> {
    await Promise.all(running.workers.map((worker) => worker.stop()));
    await running.services.store.close();
  }

  let running = await start();
  return {
    clock,
    get services() {
      return running.services;
    },
    wake() {
      for (const worker of running.workers) worker.wake();
    },
    async restart() {
      await stop();
      running = await start();
    },
    async blobs() {
      const names = await readdir(join(directory, 'layers'), { recursive: true });
      return new Set(names.flatMap((name) => /([0-9a-f]{64})\.erofs$/.exec(name)?.[1] ?? []));
    },
    attach: (name, layers) => writeFile(join(records, `${name}.json`), JSON.stringify({ layers })),
    detach: (name) => rm(join(records, `${name}.json`), { force: true }),
    close: stop,
  };
}
