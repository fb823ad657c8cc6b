import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createSealer, SEAL_KEY_BYTES } from '../../src/accounts/index.ts';
import { type DiskBlobs, openBlobKeeper, openDiskBlobs } from '../../src/blobs/index.ts';
import { type CareServices, startWorker, type Worker } from '../../src/builds/index.ts';
import { type ImageCache, INITIAL_STATUS } from '../../src/caches/index.ts';
import { createDecompressor, DEFAULT_LAYER_LIMITS } from '../../src/layers/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { hashHere } from '../../src/lib/hashing.ts';
import { newId } from '../../src/lib/ids.ts';
import { createLimit } from '../../src/lib/limit.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { createRegistryClient } from '../../src/registry/index.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { type ScriptedRegistry, startScriptedRegistry } from './scripted-registry.ts';

export const OWNER = { accountId: '1', regionId: 'test-1' };
const WAIT_MS = 60_000;

export type BuildHouse = {
  services: CareServices & { blobs: DiskBlobs };
  registry: ScriptedRegistry;
  directory: string;
  startWorker(): Worker;
  create(images: readonly string[]): Promise<ImageCache>;
  find(id: string): Promise<ImageCache | undefined>;
  /** Waits until the cache is Ready, Failed or gone. */
  ended(id: string): Promise<ImageCache | undefined>;
};

/** A real store, real blobs, and a registry that does as it is told; what runs is stopped at the end of the test. */
export async function openBuildHouse(t: TestContext, clock = systemClock): Promise<BuildHouse> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-house-'));
  const seal = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
  const store = await openSqliteStore({ path: join(directory, 'larder.db'), seal });
  const blobs = await openDiskBlobs({ directory });
  const registry = await startScriptedRegistry();
  const workers: Worker[] = [];
  t.after(async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await store.close();
    await registry[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  const services = {
    store,
    blobs,
    keeper: openBlobKeeper({ directory }),
    connect: () => createRegistryClient({ plainHttp: [registry.host], retry: { attempts: 2, baseDelayMs: 1 } }),
    platform: { os: 'linux', architecture: 'amd64' },
    decompressorFor: () => createDecompressor(),
    hashing: hashHere,
    layerLimits: DEFAULT_LAYER_LIMITS,
    layerSlots: createLimit(4),
    largeLayers: createLimit(1),
    clock,
    log: silentLogger,
  };
  const find = async (id: string) => (await store.caches.find({ ...OWNER, id }, { limit: 1 })).caches[0];
  return {
    services,
    registry,
    directory,
    startWorker() {
      const worker = startWorker(services, { name: `worker-${workers.length}`, maxBuilds: 8 });
      workers.push(worker);
      return worker;
    },
    async create(images) {
      const containerGroupId = newId('eci', randomBytes);
      const cache: ImageCache = {
        ...OWNER,
        id: newId('imc', randomBytes),
        name: 'test',
        images,
        status: INITIAL_STATUS,
        progressPercent: 0,
        sizeGib: 1,
        createdAtMs: Date.now(),
        containerGroupId,
        resourceGroupId: 'rg-default',
        eliminationStrategy: '',
        registries: { plainHttpRegistries: [], insecureRegistries: [] },
        tags: [],
        events: [],
      };
      const options = { plainHttpRegistries: [], insecureRegistries: [], credentials: [] };
      await store.caches.create(cache, { id: containerGroupId, options });
      return cache;
    },
    find,
    async ended(id) {
      for (const endMs = Date.now() + WAIT_MS; Date.now() < endMs; await sleep(20)) {
        const cache = await find(id);
        if (cache === undefined || cache.status === 'Ready' || cache.status === 'Failed') return cache;
      }
      throw new Error(`image cache ${id} did not end`);
    },
  };
}
