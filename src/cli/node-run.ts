import { type Command, InvalidArgumentError } from 'commander';
import { profilePath, readProfile, resolveClientSettings } from '../config/index.ts';
import { systemClock } from '../lib/clock.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { addNodeDataOption, nodeDataDirectory } from './node-data.ts';
import { collect, positiveInteger, usageError } from './usage.ts';

type RunOptions = {
  cache?: string[];
  tag?: string[];
  all?: true;
  data?: string;
  serverData?: string;
  concurrency: number;
  interval: number;
  once?: true;
  logLevel: string;
};

/** Blobs downloaded at once: enough to hide the pauses of each, few enough to leave a machine's network to others. */
const DEFAULT_CONCURRENCY = 4;
const MAX_CONCURRENCY = 32;
const DEFAULT_INTERVAL_S = 10;
const MAX_INTERVAL_S = 24 * 60 * 60;

export function addNodeRun(group: Command, io: Io): void {
  const command = group
    .command('run')
    .description('fetch chosen image caches from the server and follow their changes (the agent)')
    .option('--cache <id or name>', 'this image cache (repeatable)', collect)
    .option('--tag <tag>', 'those with this tag, KEY or KEY=VALUE; several must all be there (repeatable)', collect)
    .option('--all', 'all of the account in the region');
  addNodeDataOption(command)
    .option('--server-data <dir>', "a server's data folder on the same file system: blobs are linked, not downloaded")
    .option('--concurrency <n>', 'blobs downloaded at once', concurrency, DEFAULT_CONCURRENCY)
    .option('--interval <seconds>', 'how often the server is asked for changes', interval, DEFAULT_INTERVAL_S)
    .option('--once', 'fetch what is chosen now and end')
    .option('--log-level <level>', 'fatal, error, warn, info, debug, trace or silent', 'info')
    .addHelpText(
      'after',
      `
It finds the server as the other commands do: by LARDER_ENDPOINT, LARDER_ACCESS_KEY_ID and so on, else by the profile.
What is no longer chosen is removed once nothing has it mounted. While the server is away, what is here stays usable.
The log goes to standard error. SIGTERM or Ctrl-C ends it; the next start resumes downloads where they broke off.
larder node status, attach and detach talk to it through DATA/agent.sock.

Examples:
  larder node run --cache web --cache imc-2zeditzeoemfhqor4rf8
  larder node run --tag env=prod --data /srv/larder-node
  larder node run --all --once                     in a machine image's build`,
    )
    .action((options: RunOptions) => runAgent(io, options));
}

async function runAgent(io: Io, options: RunOptions): Promise<void> {
  const selection = { caches: options.cache ?? [], tags: options.tag ?? [], all: options.all === true };
  if (!selection.all && selection.caches.length === 0 && selection.tags.length === 0)
    throw usageError('choose what this node holds: --cache, --tag or --all');
  const client = await connect(io);
  const { endpoint } = await resolveClientSettings(io.env, () => readProfile(profilePath(io.env)));
  const [{ pino }, { createFetchView }] = await Promise.all([import('pino'), import('./node-progress.ts')]);
  const { openAgent, openAgentFolder, openControlServer } = await import('../nodes/agent/index.ts');
  const view = createFetchView(io);
  const log = pino({ level: options.logLevel }, view.logStream);
  await using cleanup = new AsyncDisposableStack();
  const folder = await openAgentFolder(nodeDataDirectory(io, options.data));
  cleanup.defer(() => folder.release());
  const agent = await openAgent({
    folder,
    client,
    endpoint,
    selection,
    serverData: options.serverData,
    concurrency: options.concurrency,
    intervalMs: options.interval * 1000,
    clock: systemClock,
    log,
  });
  cleanup.defer(await openControlServer(folder.socketPath, agent, io.signal));
  cleanup.defer(view.follow(() => agent.progress()));
  log.info({ data: folder.directory, endpoint, ...selection }, 'the agent runs');
  if (options.once) await agent.runOnce(io.signal);
  else await agent.run(io.signal);
  log.info({}, 'stopped');
}

function concurrency(text: string): number {
  return atMost(MAX_CONCURRENCY, text);
}

function interval(text: string): number {
  return atMost(MAX_INTERVAL_S, text);
}

function atMost(max: number, text: string): number {
  const value = positiveInteger(text);
  if (value <= max) return value;
  throw new InvalidArgumentError(`It takes at most ${max}.`);
}
