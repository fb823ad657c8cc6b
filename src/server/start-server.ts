import { randomBytes, randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { pino } from 'pino';
import { createSealer } from '../accounts/index.ts';
import { createActions } from '../api/index.ts';
import { openDiskBlobs } from '../blobs/index.ts';
import { startWorker } from '../builds/index.ts';
import type { BuildOptions } from '../caches/index.ts';
import type { ServerConfig } from '../config/index.ts';
import { createDecompressor, DEFAULT_LAYER_LIMITS, findIgzip } from '../layers/index.ts';
import { systemClock } from '../lib/clock.ts';
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
import { createAuthenticate, createRpcHandler } from '../rpc/index.ts';
import { openSqliteStore, type Store } from '../store/index.ts';
import { ensureAccessKey, type FirstKey } from './access-keys.ts';
import { createAuthenticator } from './authenticator.ts';
import { loadSealKey, lockDataFolder, prepareDataFolder } from './data-folder.ts';
import { createHttpListener } from './http-listener.ts';
import { VERSION } from './version.ts';

export type RunningServer = {
  /** `http://127.0.0.1:4620`, with the port that was taken. */
  readonly endpoint: string;
  readonly regionId: string;
  /** The key made or preset at this start; its secret is shown once. */
  readonly firstKey?: FirstKey;
  /** Stops listening, lets answers under way end, interrupts builds (they go on at the next start), closes the store. */
  stop(): Promise<void>;
};

/** The whole service on one machine: data folder, store, blobs, worker, listener. Throws when any part can't start, leaving nothing open. */
export async function startServer(config: ServerConfig, options: { log?: Logger } = {}): Promise<RunningServer> {
  const clock = systemClock;
  const log = options.log ?? pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  const stopping = new AbortController();
  await using cleanup = new AsyncDisposableStack();

  const folder = await prepareDataFolder(config.dataDirectory);
  cleanup.defer(lockDataFolder(folder));
  const sealKey = await loadSealKey(folder.sealKeyPath, randomBytes);
  const keySealer = createSealer(sealKey, 'access-key', randomBytes);
  const store: Store = await openSqliteStore({
    path: folder.databasePath,
    seal: createSealer(sealKey, 'registry-credentials', randomBytes),
  });
  cleanup.defer(() => store.close());
  const preset = config.presetKey;
  const firstKey = await ensureAccessKey({
    store,
    sealer: keySealer,
    clock,
    randomBytes,
    ...(preset ? { preset } : {}),
  });
  const blobs = await openDiskBlobs({ directory: folder.directory });
  const removed = await blobs.removeLeftovers();
  if (removed > 0) log.info({ files: removed }, 'removed half-written files of an earlier run');

  const igzipPath = config.decompressor === 'auto' ? await findIgzip(config.path) : undefined;
  const worker = startWorker(
    {
      store,
      blobs,
      connect: (build) => connect(build, config, log),
      platform: hostPlatform(process.arch, process.platform),
      decompressor: createDecompressor(igzipPath === undefined ? {} : { igzipPath }),
      layerLimits: DEFAULT_LAYER_LIMITS,
      layerSlots: createLimit(config.maxLayersAtOnce),
      clock,
      log,
    },
    { name: `${hostname()}/${process.pid}/${randomAlphanumeric(6, randomBytes)}`, maxBuilds: config.maxBuildsAtOnce },
  );
  cleanup.defer(() => worker.stop());

  const authenticate = createAuthenticate({ authenticator: createAuthenticator(store, keySealer, clock), clock });
  const actions = createActions({
    store,
    clock,
    randomBytes,
    minImageCacheSizeGib: config.minImageCacheSizeGib,
    wakeWorker: () => worker.wake(),
  });
  const rpc = createRpcHandler({
    actions,
    authenticate,
    clock,
    newRequestId: () => randomUUID().toUpperCase(),
    log,
    onFinished: (call) => log.debug(call, 'call'),
  });
  const app = createHttpListener({ rpc, authenticate, store, stopping: stopping.signal });
  cleanup.defer(() => app.close());
  const endpoint = await app.listen({ host: config.listen.host, port: config.listen.port });
  log.info({ endpoint, data: folder.directory, igzip: igzipPath ?? 'not found' }, 'ready');

  const running = cleanup.move();
  return {
    endpoint,
    regionId: config.regionId,
    ...(firstKey ? { firstKey } : {}),
    async stop() {
      stopping.abort();
      await running.disposeAsync();
      log.info({}, 'stopped');
    },
  };
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
