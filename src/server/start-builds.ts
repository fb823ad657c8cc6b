import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { BlobStore } from '../blobs/index.ts';
import { startWorker, type Worker } from '../builds/index.ts';
import type { BuildOptions } from '../caches/index.ts';
import type { ServerConfig } from '../config/index.ts';
import { createDecompressor, DEFAULT_LAYER_LIMITS, findIgzip } from '../layers/index.ts';
import type { Clock } from '../lib/clock.ts';
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
import { VERSION } from './version.ts';

/** Below this, starting igzip takes longer than it saves; an image of 500 small layers would start it 500 times. */
const CHILD_MIN_BYTES = 1024 * 1024;

/** Composes the worker of this process: registry client, decompressor, store and blobs. */
export async function startBuilds(
  config: ServerConfig,
  parts: { store: Store; blobs: BlobStore; clock: Clock; log: Logger },
): Promise<Worker> {
  const { log } = parts;
  const igzipPath = config.decompressor === 'auto' ? await findIgzip(config.path) : undefined;
  log.info({ igzip: igzipPath ?? 'not found' }, 'builds begin');
  const inProcess = createDecompressor();
  const fastest = igzipPath === undefined ? inProcess : createDecompressor({ igzipPath });
  return startWorker(
    {
      ...parts,
      connect: (build) => connect(build, config, log),
      platform: hostPlatform(process.arch, process.platform),
      decompressorFor: (compressedBytes) => (compressedBytes < CHILD_MIN_BYTES ? inProcess : fastest),
      layerLimits: DEFAULT_LAYER_LIMITS,
      layerSlots: createLimit(config.maxLayersAtOnce),
    },
    { name: `${hostname()}/${process.pid}/${randomAlphanumeric(6, randomBytes)}`, maxBuilds: config.maxBuildsAtOnce },
  );
}

/** A registry client for one build: the request's logins and lists, then the server's own. */
function connect(build: BuildOptions, config: ServerConfig, log: Logger) {
  const dockerConfig = config.dockerConfigPath;
  const sources = [
    credentialsFromList(build.credentials),
    ...(dockerConfig === undefined ? [] : [createDockerConfigLookup({ path: dockerConfig })]),
  ];
  return createRegistryClient({
    credentials: createCredentialLookup(sources),
    plainHttp: [...config.plainHttpRegistries, ...build.plainHttpRegistries],
    insecure: [...config.insecureRegistries, ...build.insecureRegistries],
    userAgent: `larder/${VERSION}`,
    log,
  });
}
