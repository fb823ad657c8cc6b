import { once } from 'node:events';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { cacheIds } from './cache-ids.ts';
import type { Io } from './io.ts';
import { LAYERS_OPTION, layersDirectory } from './node-data.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption, collect } from './usage.ts';

const DEFAULT_SOCKET = '/run/larder/containerd.sock';
const DEFAULT_CONTAINERD_SOCKET = '/run/containerd/containerd.sock';
/** Below the data folder, so that blobs can be linked into it. */
const STATE_FOLDER = 'containerd';
const DEFAULT_NAMESPACE = 'default';
/** The name of the proxy plugin in containerd's configuration, as the help and the guide have it. */
const SNAPSHOTTER = 'larder';
const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

type Options = {
  socket: string;
  data?: string;
  state?: string;
  cache?: string[];
  preload?: boolean;
  containerdSocket: string;
  namespace?: string[];
  logLevel: string;
  output: OutputFormat;
};

export function addNodeContainerd(group: Command, io: Io): void {
  const command = group
    .command('containerd')
    .description('run a snapshotter for containerd that has the layers of image caches at once (as root)')
    .option('--socket <path>', 'unix socket that containerd connects to', DEFAULT_SOCKET)
    .option(...LAYERS_OPTION)
    .option('--state <dir>', `the snapshotter's own folder (default: ${STATE_FOLDER} below the data folder)`)
    .option('--cache <id>', 'only this cache, by id or name, or this snapshot; may be repeated', collect)
    .option('--preload', 'also make the images known to containerd, so that they start without a registry')
    .option('--containerd-socket <path>', 'where containerd listens, for --preload', DEFAULT_CONTAINERD_SOCKET)
    .option(
      '--namespace <name>',
      `namespace of containerd for --preload; may be repeated (default: ${DEFAULT_NAMESPACE})`,
      collect,
    )
    .addOption(new Option('--log-level <level>', 'how much is logged').choices(LOG_LEVELS).default('info'))
    .addHelpText(
      'after',
      `
Tell containerd of it in /etc/containerd/config.toml, and restart it:
  [proxy_plugins.larder]
    type = "snapshot"
    address = "${DEFAULT_SOCKET}"

The log goes to standard error. SIGTERM or Ctrl-C ends it; containers go on running. docs/guides/containerd.md has the rest.

Examples:
  larder node containerd --data /var/lib/larder-node
  larder node containerd --preload --namespace k8s.io
  ctr run --rm --snapshotter larder docker.io/library/nginx:1.27 web    # after --preload`,
    );
  addOutputOption(command).action((options: Options) => serve(io, options));
}

async function serve(io: Io, options: Options): Promise<void> {
  const dataDirectory = await layersDirectory(io, options.data);
  const stateDirectory = options.state ?? join(dataDirectory, STATE_FOLDER);
  const [{ keepPreloaded, serveSnapshotter }, { pino }] = await Promise.all([
    import('../nodes/containerd/index.ts'),
    import('pino'),
  ]);
  const log = pino({ level: options.logLevel }, pino.destination({ fd: 2, sync: true }));
  const socket = resolve(options.socket);
  const chosen = await cacheIds(io, options.cache ?? []);
  const running = await serveSnapshotter({ dataDirectory, stateDirectory, socket, chosen, log });
  try {
    if (options.output === 'json')
      printJson(io, { Socket: socket, DataDirectory: dataDirectory, StateDirectory: stateDirectory });
    else printLine(io, `larder serves layers of ${dataDirectory} to containerd at ${socket}`);
    if (options.preload) {
      const { containerdSocket, namespace: namespaces = [DEFAULT_NAMESPACE] } = options;
      const { signal } = io;
      await keepPreloaded({
        dataDirectory,
        chosen,
        containerdSocket,
        namespaces,
        snapshotter: SNAPSHOTTER,
        log,
        signal,
      });
    } else if (!io.signal.aborted) await once(io.signal, 'abort');
  } finally {
    await running.stop();
  }
}
