import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type BlobStore, directAllocator, openBlobKeeper } from '../blobs/index.ts';
import { releaseDeadLeases, startCaretaker, startWorker, type Worker } from '../builds/index.ts';
import type { BuildOptions } from '../caches/index.ts';
import type { ServerConfig } from '../config/index.ts';
import { createDecompressor, findIgzip } from '../layers/index.ts';
import type { Clock } from '../lib/clock.ts';
import { createHashThread } from '../lib/hash-thread.ts';
import { randomAlphanumeric } from '../lib/ids.ts';
import { createLimit } from '../lib/limit.ts';
import type { Logger } from '../lib/logger.ts';
import { hostPlatform } from '../oci/index.ts';
import {
  createCredentialLookup,
  createDockerConfigLookup,
  createRegistryClient,
  credentialsFromList,
} from '../registry/index.ts';
import type { Store } from '../store/index.ts';
import { attachedBlobs, detachLayer } from './attached-blobs.ts';
import { type Limits, layerLimits, registryLimits } from './limit-table.ts';
import type { Metrics } from './metrics.ts';
import { VERSION } from './version.ts';

/** Below this, starting igzip takes longer than it saves; an image of 500 small layers would start it 500 times. */
const CHILD_MIN_BYTES = 1024 * 1024;

/** Composes what works in the background of this process, builds and the care of what they made: registry client, decompressor, store and blobs. */
export async function startBuilds(
  config: ServerConfig,
  parts: { store: Store; blobs: BlobStore; clock: Clock; log: Logger; limits: Limits; metrics: Metrics },
): Promise<Worker> {
  const { log, limits, metrics } = parts;
  const igzipPath = config.decompressor === 'auto' ? await findIgzip(config.path) : undefined;
  log.info({ igzip: igzipPath ?? 'not found' }, 'builds begin');
  const inProcess = createDecompressor({ limits: layerLimits(limits) });
  const fastest = igzipPath === undefined ? inProcess : createDecompressor({ igzipPath, limits: layerLimits(limits) });
  const name = `${hostname()}/${process.pid}/${randomAlphanumeric(6, randomBytes)}`;
  const services = {
    ...parts,
    store: metrics.watchBuilds(parts.store),
    keeper: openBlobKeeper({ directory: config.dataDirectory }),
    attachedBlobs: () => attachedBlobs(config.dataDirectory),
    detachLayer: (hex: string) => detachLayer(config.dataDirectory, hex, log),
    connect: (build: BuildOptions) => metrics.watchDownloads(connect(build, { config, log, limits })),
    platform: hostPlatform(process.arch, process.platform),
    decompressorFor: (compressedBytes: number) => (compressedBytes < CHILD_MIN_BYTES ? inProcess : fastest),
    hashing: createHashThread(await directAllocator()),
    layerLimits: layerLimits(limits),
    layerSlots: createLimit(config.maxLayersAtOnce),
    largeLayers: createLimit(1),
  };
  await releaseDeadLeases(services);
  const worker = startWorker(services, { name, maxBuilds: config.maxBuildsAtOnce });
  const caretaker = startCaretaker(services, { name, ...config.care });
  return {
    wake() {
      worker.wake();
      caretaker.wake();
    },
    async stop() {
      await Promise.all([worker.stop(), caretaker.stop()]);
    },
  };
}

/** A registry client for one build: the request's logins and lists, then the server's own. */
function connect(build: BuildOptions, parts: { config: ServerConfig; log: Logger; limits: Limits }) {
  const { config, log, limits } = parts;
  const dockerConfig = config.dockerConfigPath;
  const sources = [
    credentialsFromList(build.credentials),
    ...(dockerConfig === undefined ? [] : [createDockerConfigLookup({ path: dockerConfig })]),
  ];
  return createRegistryClient({
    credentials: createCredentialLookup(sources),
    plainHttp: [...config.plainHttpRegistries, ...build.plainHttpRegistries],
    insecure: [...config.insecureRegistries, ...build.insecureRegistries],
    mirrors: config.registryMirrors,
    proxies: config.proxies,
    ...registryLimits(limits),
    userAgent: `larder/${VERSION}`,
    log,
  });
}
