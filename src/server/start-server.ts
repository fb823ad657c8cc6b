import { randomBytes, randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { EXPIRED_TOKEN_KEPT_MS } from '../accounts/index.ts';
import { createActions, createMatchRecorder, IMAGE_CACHE_VIEW } from '../api/index.ts';
import { openDiskBlobs } from '../blobs/index.ts';
import type { Worker } from '../builds/index.ts';
import type { ServerConfig } from '../config/index.ts';
import { systemClock } from '../lib/clock.ts';
import { describeError } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { createAuthenticate, createRpcHandler } from '../rpc/index.ts';
import { mayPass, openSqliteStore, type Store } from '../store/index.ts';
import { ensureAccessKey, type FirstKey } from './access-keys.ts';
import { createAccountDirectory } from './account-directory.ts';
import { createAccountGuard } from './account-guard.ts';
import { createApiServices, warmMatches } from './api-services.ts';
import { openAuditLog } from './audit-log.ts';
import { auditLogPath } from './audit-path.ts';
import { createAudit } from './audit-record.ts';
import { createAuthenticator } from './authenticator.ts';
import { createAuthorize } from './authorize.ts';
import { loadSealKey, lockDataFolder, prepareDataFolder } from './data-folder.ts';
import { createAdmission, createSignatureFailures } from './flow-control.ts';
import { createHttpListener } from './http-listener.ts';
import { readLimits } from './limits.ts';
import { createMetrics } from './metrics.ts';
import { createOpenAuthenticate } from './open-authenticate.ts';
import { createSealers } from './sealers.ts';
import { openServerTls } from './tls.ts';

const CLOSE_TIMEOUT_MS = 5_000;

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
  const limits = readLimits(config.limits);
  const log = options.log ?? pino({ level: config.logLevel }, pino.destination({ fd: 2, sync: true }));
  const stopping = new AbortController();
  await using cleanup = new AsyncDisposableStack();

  const folder = await prepareDataFolder(config.dataDirectory);
  cleanup.defer(lockDataFolder(folder));
  const sealers = createSealers(await loadSealKey(folder.sealKeyPath, randomBytes), randomBytes);
  const store: Store = await openSqliteStore({
    path: folder.databasePath,
    seal: sealers.registryCredentials,
    view: IMAGE_CACHE_VIEW,
  });
  cleanup.defer(() => store.close());
  const preset = config.presetKey;
  const firstKey = await ensureAccessKey({
    store,
    sealer: sealers.accessKeys,
    clock,
    randomBytes,
    ...(preset ? { preset } : {}),
  });
  await store.accounts.pruneTemporaryKeys(clock.now() - EXPIRED_TOKEN_KEPT_MS);
  const blobs = await openDiskBlobs({ directory: folder.directory });
  for (const file of await blobs.removeLeftovers()) log.info({ file }, 'removed a half-written file of an earlier run');

  let worker: Worker | undefined;
  const directory = createAccountDirectory(store, sealers.accessKeys);
  const authenticate = config.noAuth
    ? await createOpenAuthenticate(store)
    : createAuthenticate({
        authenticator: createAuthenticator(directory, store, clock),
        clock,
        failures: createSignatureFailures(limits),
      });
  const authorize = config.noAuth
    ? async () => {}
    : createAuthorize({ directory, store, clock, sealer: sealers.diagnoses });
  const admit = createAdmission(limits, clock);
  const guard = createAccountGuard(directory);
  const metrics = createMetrics(store);
  const recorder = createMatchRecorder(store.caches, (error) =>
    log.error({ err: describeError(error) }, 'cannot record that a cache was matched'),
  );
  cleanup.defer(() => recorder.flush());
  const services = await createApiServices(config, {
    store,
    directory,
    randomBytes,
    recorder,
    stopping: stopping.signal,
    wakeWorker: () => worker?.wake(),
    onMatches: (counts) => metrics.onMatches(counts),
  });
  const auditPath = auditLogPath(folder.directory, config.auditLog);
  const auditLog =
    auditPath === undefined
      ? undefined
      : await openAuditLog({
          path: auditPath,
          maxFileBytes: limits.maxAuditFileBytes,
          maxFiles: limits.maxAuditFiles,
          log,
        });
  cleanup.defer(() => auditLog?.close());
  const rpc = createRpcHandler({
    actions: createActions(services),
    authenticate,
    authorize,
    admit,
    guard,
    ...(auditLog ? { audit: createAudit(auditLog) } : {}),
    clock,
    newRequestId: () => randomUUID().toUpperCase(),
    log,
    mayPass,
    onFinished(call) {
      log.debug(call, 'call');
      metrics.onCall(call);
    },
  });
  const tls = config.tls && (await openServerTls(config.tls, log));
  cleanup.defer(() => tls?.close());
  const parts = {
    rpc,
    authenticate,
    authorize,
    admit,
    guard,
    store,
    blobs,
    metrics,
    log,
    tls,
    limits,
    stopping: stopping.signal,
    mayPass,
  };
  const app = createHttpListener(parts);
  cleanup.defer(() => closeListener(app));
  const listening = await app.listen({ host: config.listen.host, port: config.listen.port });
  const endpoint = tls ? listening.replace(/^http:/, 'https:') : listening;
  log.info({ endpoint, data: folder.directory }, 'ready');
  if (config.noAuth) log.warn({ endpoint }, 'NO AUTHENTICATION: whoever can connect does what they like');
  const warmed = warmMatches(services, { store, log, stopping: stopping.signal });
  cleanup.defer(() => warmed);
  // The client of registries and the converter are half of what there is to load; nobody waits for them.
  const { startBuilds } = await import('./start-builds.ts');
  const started = await startBuilds(config, { store, blobs, clock, log, limits, metrics });
  cleanup.defer(() => started.stop());
  worker = started;

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

/** Lets answers under way end, but not for ever: a client that does not read must not keep the server from stopping. */
async function closeListener(app: ReturnType<typeof createHttpListener>): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIMEOUT_MS);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}
