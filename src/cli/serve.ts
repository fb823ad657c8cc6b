import { once } from 'node:events';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import {
  DEFAULT_LISTEN,
  DEFAULT_REGION_ID,
  defaultDataDirectory,
  loadServerConfig,
  profilePath,
  readConfigFile,
  readProfile,
  writeProfile,
} from '../config/index.ts';
import type { RunningServer } from '../server/index.ts';
import { clientConfiguration } from './client-configuration.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption, collect } from './usage.ts';

type ServeOptions = {
  data?: string;
  config?: string;
  listen?: string;
  tlsCert?: string;
  tlsKey?: string;
  limit?: string[];
  auditLog?: string;
  registryMirror?: string[];
  region?: string;
  logLevel?: string;
  auth: boolean;
  output: OutputFormat;
};

export function addServe(program: Command, io: Io): void {
  const command = program
    .command('serve')
    .description('run the image cache service')
    .option('--data <dir>', "database, layers and snapshots (default: LARDER_DATA, else the platform's data folder)")
    .option('--listen <host:port>', `where to listen (default: LARDER_LISTEN, else ${DEFAULT_LISTEN})`)
    .option('--tls-cert <file>', 'serve HTTPS with this certificate, PEM with its chain (default: LARDER_TLS_CERT)')
    .option('--tls-key <file>', 'the key of --tls-cert, PEM without a passphrase (default: LARDER_TLS_KEY)')
    .option('--config <file>', 'settings as JSON; environment and flags win over it (default: LARDER_CONFIG)')
    .option(
      '--audit-log <file>',
      'who changed what; off for none (default: LARDER_AUDIT_LOG, else audit.log in the data folder)',
    )
    .option(
      '--registry-mirror <registry=url>',
      'asked before the registry: docker.io=https://mirror.example.com; may be repeated (default: LARDER_REGISTRY_MIRRORS)',
      collect,
    )
    .option(
      '--limit <name=value>',
      'sets a limit of docs/limits.md, such as maxTarBytes=64GiB; may be repeated',
      collect,
    )
    .option('--region <id>', `the region it answers for (default: LARDER_REGION, else ${DEFAULT_REGION_ID})`)
    .option(
      '--log-level <level>',
      'fatal, error, warn, info, debug, trace or silent (default: LARDER_LOG_LEVEL, else info)',
    )
    .option('--no-auth', 'take every call, signed or not, for one of the first account; on a loopback address only')
    .addHelpText(
      'after',
      `
The first start makes an access key and shows it once; LARDER_ACCESS_KEY_ID and LARDER_ACCESS_KEY_SECRET choose it.
LARDER_NO_AUTH=1 is the same as --no-auth.
New files of certificate and key are taken up while it runs. A file of settings has the names of the environment in another
spelling: {"listen": "0.0.0.0:4620", "tlsCert": "/etc/larder/cert.pem"} is LARDER_LISTEN and LARDER_TLS_CERT.
The log goes to standard error. SIGTERM or Ctrl-C ends it; builds under way go on after the next start.

Examples:
  larder serve
  larder serve --data /srv/larder --listen 0.0.0.0:4620 --tls-cert cert.pem --tls-key key.pem`,
    );
  addOutputOption(command).action((options: ServeOptions) => serve(io, options));
}

async function serve(io: Io, options: ServeOptions): Promise<void> {
  const dataDirectory = defaultDataDirectory(options.data === undefined ? io.env : { LARDER_DATA: options.data });
  const file = options.config ?? io.env.LARDER_CONFIG;
  const config = loadServerConfig(io.env, {
    dataDirectory,
    ...(file ? { file: await readConfigFile(file) } : {}),
    defaultRegionId: DEFAULT_REGION_ID,
    ...(options.listen === undefined ? {} : { listen: options.listen }),
    ...(options.tlsCert === undefined ? {} : { tlsCert: options.tlsCert }),
    ...(options.tlsKey === undefined ? {} : { tlsKey: options.tlsKey }),
    ...(options.registryMirror === undefined ? {} : { registryMirrors: options.registryMirror }),
    ...(options.auditLog === undefined ? {} : { auditLog: options.auditLog }),
    ...(options.limit === undefined ? {} : { limits: options.limit }),
    ...(options.region === undefined ? {} : { regionId: options.region }),
    ...(options.logLevel === undefined ? {} : { logLevel: options.logLevel }),
    ...(options.auth ? {} : { noAuth: true }),
  });
  const { startServer } = await import('../server/index.ts');
  const server = await startServer(config);
  try {
    await rememberServer(io, server, { dataDirectory, tlsCert: config.tls?.certPath });
    announce(io, server, { dataDirectory, output: options.output, noAuth: config.noAuth });
    if (!io.signal.aborted) await once(io.signal, 'abort');
  } finally {
    await server.stop();
  }
}

/** Leaves the profile that clients on this machine read. Without a new key, only one of the same data folder is kept up to date. */
async function rememberServer(
  io: Io,
  server: RunningServer,
  { dataDirectory, tlsCert }: { dataDirectory: string; tlsCert: string | undefined },
): Promise<void> {
  const { endpoint, regionId, firstKey } = server;
  const path = profilePath(io.env);
  const known = firstKey ? undefined : await readProfile(path).catch(() => undefined);
  const key = firstKey
    ? { accessKeyId: firstKey.id, accessKeySecret: firstKey.secret }
    : known?.dataDirectory === dataDirectory && known;
  if (!key) return;
  const { accessKeyId, accessKeySecret } = key;
  await writeProfile(path, {
    endpoint,
    regionId,
    accessKeyId,
    accessKeySecret,
    dataDirectory,
    ...(tlsCert === undefined ? {} : { tlsCert: resolve(tlsCert) }),
  });
}

function announce(
  io: Io,
  server: RunningServer,
  options: { dataDirectory: string; output: OutputFormat; noAuth: boolean },
): void {
  const { endpoint, regionId, firstKey } = server;
  if (options.output === 'json') {
    const key = firstKey?.isNew ? { AccessKeyId: firstKey.id, AccessKeySecret: firstKey.secret } : {};
    printJson(io, {
      Endpoint: endpoint,
      RegionId: regionId,
      DataDirectory: options.dataDirectory,
      ...key,
      ...(options.noAuth ? { NoAuth: true } : {}),
    });
    return;
  }
  printLine(io, `larder serves ${endpoint} (region ${regionId}, data ${options.dataDirectory})`);
  if (options.noAuth) printLine(io, 'NO AUTHENTICATION: whoever can connect does what they like');
  if (firstKey?.isNew) printLine(io, clientConfiguration({ endpoint, regionId, key: firstKey }));
}
