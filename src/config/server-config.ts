import { z } from 'zod';
import { DEFAULT_MAX_IMAGE_CACHES, MIN_SIZE_GIB } from '../caches/index.ts';
import { LarderError } from '../lib/errors.ts';
import { type Proxies, readProxies } from './proxies.ts';
import { parseRegistryMirrors } from './registry-mirrors.ts';

/** Where the service listens when nobody says otherwise: loopback only, so that no key ever leaves the machine by accident. */
export const DEFAULT_LISTEN = '127.0.0.1:4620';
/** Layers converted at once: two fill two cores, more only split the disk's bandwidth (bench/build.ts). */
export const DEFAULT_MAX_LAYERS_AT_ONCE = 2;
export const DEFAULT_MAX_BUILDS_AT_ONCE = 16;

const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );

/** Files in the data folder that no row names are removed once they are so old. */
export const DEFAULT_GC_GRACE_S = 3600;
/** A quarter of what a plain hard disk gives; a terabyte is read within 12 hours. */
const DEFAULT_SCRUB_MIB_PER_SECOND = 24;
const DEFAULT_SCRUB_DAYS = 7;

/** Every setting of the server that the environment can carry; flags of `larder serve` win over it. */
const environmentSchema = z.object({
  LARDER_LISTEN: z.string().default(DEFAULT_LISTEN),
  LARDER_REGION: z.string().min(1).optional(),
  LARDER_LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  LARDER_ACCESS_KEY_ID: z.string().optional(),
  LARDER_ACCESS_KEY_SECRET: z.string().optional(),
  LARDER_NO_AUTH: z.stringbool().default(false),
  LARDER_MIN_IMAGE_CACHE_SIZE_GIB: z.coerce.number().int().min(1).default(MIN_SIZE_GIB),
  LARDER_MAX_IMAGE_CACHES: z.coerce.number().int().min(0).default(DEFAULT_MAX_IMAGE_CACHES),
  LARDER_MAX_LAYERS_AT_ONCE: z.coerce.number().int().min(1).max(64).default(DEFAULT_MAX_LAYERS_AT_ONCE),
  LARDER_MAX_BUILDS_AT_ONCE: z.coerce.number().int().min(1).max(1024).default(DEFAULT_MAX_BUILDS_AT_ONCE),
  LARDER_PLAIN_HTTP_REGISTRIES: list,
  LARDER_INSECURE_REGISTRIES: list,
  LARDER_ACR_INSTANCES: z.string().min(1).optional(),
  LARDER_LIMITS: list,
  LARDER_REGISTRY_MIRRORS: list,
  LARDER_AUDIT_LOG: z.string().min(1).optional(),
  LARDER_TLS_CERT: z.string().min(1).optional(),
  LARDER_TLS_KEY: z.string().min(1).optional(),
  LARDER_GC_GRACE_SECONDS: z.coerce.number().int().min(0).default(DEFAULT_GC_GRACE_S),
  LARDER_SCRUB_MIB_PER_SECOND: z.coerce.number().min(0).max(100_000).default(DEFAULT_SCRUB_MIB_PER_SECOND),
  LARDER_SCRUB_DAYS: z.coerce.number().min(0.001).max(3650).default(DEFAULT_SCRUB_DAYS),
  LARDER_DECOMPRESSOR: z.enum(['auto', 'node']).default('auto'),
  DOCKER_CONFIG: z.string().optional(),
  HOME: z.string().optional(),
  PATH: z.string().default(''),
});

export type ServerConfig = {
  dataDirectory: string;
  listen: { host: string; port: number };
  /** Files of certificate chain and key, PEM; absent: plain HTTP. */
  tls?: { certPath: string; keyPath: string };
  /** A file, or `off`; absent: in the data folder. */
  auditLog?: string;
  /** `NAME=VALUE`, the later ones win; the server knows the names. */
  limits: readonly string[];
  regionId: string;
  logLevel: z.infer<typeof environmentSchema>['LARDER_LOG_LEVEL'];
  /** A key that the operator chose; otherwise the first start makes one. */
  presetKey?: { id: string; secret: string };
  /** Every call is one of the first account, with any signature or none. */
  noAuth: boolean;
  minImageCacheSizeGib: number;
  /** Image caches of an account in a region, unless the account has a quota of its own. */
  maxImageCaches: number;
  maxLayersAtOnce: number;
  maxBuildsAtOnce: number;
  plainHttpRegistries: string[];
  insecureRegistries: string[];
  /** Registry → addresses of its mirrors. */
  registryMirrors: ReadonlyMap<string, readonly string[]>;
  /** For registries. */
  proxies?: Proxies;
  /** File that says what AcrRegistryInfo stands for; see readAcrInstances. */
  acrInstancesPath?: string;
  /** How what is Ready is kept right; see CareSettings in builds/. */
  care: { gcGraceMs: number; scrubBytesPerSecond: number; scrubDays: number };
  /** `auto` takes igzip where it is on PATH. */
  decompressor: 'auto' | 'node';
  /** docker's config.json, for registries whose credentials a caller did not send. */
  dockerConfigPath?: string;
  path: string;
};

/** What the caller already knows: the folder, and what stood on the command line. */
export type ServerFlags = {
  dataDirectory: string;
  defaultRegionId: string;
  /** What the configuration file says, see readConfigFile; the environment wins over it. */
  file?: Readonly<Record<string, string | undefined>>;
  listen?: string;
  tlsCert?: string;
  tlsKey?: string;
  limits?: readonly string[];
  registryMirrors?: readonly string[];
  auditLog?: string;
  regionId?: string;
  logLevel?: string;
  noAuth?: boolean;
};

/** Reads the server's settings from environment and flags. Throws `config.invalid`, naming the setting and what it takes. */
export function loadServerConfig(env: Readonly<Record<string, string | undefined>>, flags: ServerFlags): ServerConfig {
  checkFileNames(flags.file);
  const overridden = {
    ...flags.file,
    ...env,
    ...(flags.listen === undefined ? {} : { LARDER_LISTEN: flags.listen }),
    ...(flags.tlsCert === undefined ? {} : { LARDER_TLS_CERT: flags.tlsCert }),
    ...(flags.tlsKey === undefined ? {} : { LARDER_TLS_KEY: flags.tlsKey }),
    ...(flags.auditLog === undefined ? {} : { LARDER_AUDIT_LOG: flags.auditLog }),
    ...(flags.regionId === undefined ? {} : { LARDER_REGION: flags.regionId }),
    ...(flags.logLevel === undefined ? {} : { LARDER_LOG_LEVEL: flags.logLevel }),
    ...(flags.noAuth === undefined ? {} : { LARDER_NO_AUTH: String(flags.noAuth) }),
  };
  const parsed = environmentSchema.safeParse(overridden);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new LarderError('config.invalid', `wrong setting: ${problems.join('; ')}`);
  }
  const settings = parsed.data;
  const [id, secret] = [settings.LARDER_ACCESS_KEY_ID, settings.LARDER_ACCESS_KEY_SECRET];
  if ((id === undefined) !== (secret === undefined)) {
    throw new LarderError(
      'config.invalid',
      'LARDER_ACCESS_KEY_ID and LARDER_ACCESS_KEY_SECRET are set together or not at all',
    );
  }
  const [certPath, keyPath] = [settings.LARDER_TLS_CERT, settings.LARDER_TLS_KEY];
  if ((certPath === undefined) !== (keyPath === undefined)) {
    throw new LarderError(
      'config.invalid',
      '--tls-cert and --tls-key (LARDER_TLS_CERT, LARDER_TLS_KEY) are set together or not at all',
    );
  }
  const proxies = readProxies(env);
  const listen = parseListen(settings.LARDER_LISTEN);
  if (settings.LARDER_NO_AUTH && !isLoopback(listen.host)) {
    throw new LarderError(
      'config.invalid',
      `--no-auth lets in whoever can connect, so it listens on this machine only: use --listen ${DEFAULT_LISTEN}, not ${settings.LARDER_LISTEN}`,
    );
  }
  const dockerDirectory =
    settings.DOCKER_CONFIG ?? (settings.HOME === undefined ? undefined : `${settings.HOME}/.docker`);
  return {
    dataDirectory: flags.dataDirectory,
    listen,
    ...(certPath !== undefined && keyPath !== undefined ? { tls: { certPath, keyPath } } : {}),
    ...(settings.LARDER_AUDIT_LOG === undefined ? {} : { auditLog: settings.LARDER_AUDIT_LOG }),
    // Each place sets what it names, so that a flag for one limit leaves the others of the file as they are.
    limits: [...list.parse(flags.file?.LARDER_LIMITS), ...list.parse(env.LARDER_LIMITS), ...(flags.limits ?? [])],
    regionId: settings.LARDER_REGION ?? flags.defaultRegionId,
    logLevel: settings.LARDER_LOG_LEVEL,
    ...(id !== undefined && secret !== undefined ? { presetKey: { id, secret } } : {}),
    noAuth: settings.LARDER_NO_AUTH,
    minImageCacheSizeGib: settings.LARDER_MIN_IMAGE_CACHE_SIZE_GIB,
    maxImageCaches: settings.LARDER_MAX_IMAGE_CACHES,
    maxLayersAtOnce: settings.LARDER_MAX_LAYERS_AT_ONCE,
    maxBuildsAtOnce: settings.LARDER_MAX_BUILDS_AT_ONCE,
    plainHttpRegistries: settings.LARDER_PLAIN_HTTP_REGISTRIES,
    insecureRegistries: settings.LARDER_INSECURE_REGISTRIES,
    registryMirrors: parseRegistryMirrors(flags.registryMirrors ?? settings.LARDER_REGISTRY_MIRRORS),
    ...(proxies ? { proxies } : {}),
    ...(settings.LARDER_ACR_INSTANCES === undefined ? {} : { acrInstancesPath: settings.LARDER_ACR_INSTANCES }),
    care: {
      gcGraceMs: settings.LARDER_GC_GRACE_SECONDS * 1000,
      scrubBytesPerSecond: settings.LARDER_SCRUB_MIB_PER_SECOND * 2 ** 20,
      scrubDays: settings.LARDER_SCRUB_DAYS,
    },
    decompressor: settings.LARDER_DECOMPRESSOR,
    ...(dockerDirectory === undefined ? {} : { dockerConfigPath: `${dockerDirectory}/config.json` }),
    path: settings.PATH,
  };
}

/** A name in the file that means nothing is a mistake of whoever wrote it; in the environment it is anybody's. */
function checkFileNames(file: ServerFlags['file']): void {
  const unknown = Object.keys(file ?? {}).filter((name) => !Object.hasOwn(environmentSchema.shape, name));
  if (unknown.length === 0) return;
  throw new LarderError(
    'config.invalid',
    `the configuration file has settings that there are not: ${unknown.join(', ')}`,
  );
}

/** Reads `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (loopback); port 0 takes a free one. */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65535) {
    throw new LarderError(
      'config.invalid',
      `--listen takes HOST:PORT, for example ${DEFAULT_LISTEN}; got ${JSON.stringify(text)}`,
    );
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
