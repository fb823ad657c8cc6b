import { join } from 'node:path';
import type { Command } from 'commander';
import { formatTime } from '../lib/clock.ts';
import { describeError, errorCode, LarderError } from '../lib/errors.ts';
import type * as Nodes from '../nodes/podman/index.ts';
import { cacheIds } from './cache-ids.ts';
import type { Io } from './io.ts';
import { LAYERS_OPTION, layersDirectory } from './node-data.ts';
import { colour, type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption, collect, positiveInteger, usageError } from './usage.ts';

/** Longer than a container takes to start once Podman has looked its image up, or a pod whose image CRI-O has checked. */
const DEFAULT_GRACE_S = 600;
/** As much of an image's id as Podman shows. */
const SHORT_ID = 12;

export function addNodePodman(group: Command, io: Io): void {
  const command = group
    .command('podman')
    .description('keep an additional image store for Podman and CRI-O in step with image caches (as root)')
    .option(...LAYERS_OPTION)
    .option('--store <dir>', 'where the store is made (default: podman in the data folder)')
    .option('--cache <id>', 'only this cache, by id or name, or this snapshot; may be given again', collect)
    .option(
      '--graph-root <dir>',
      "Podman's own storage, to see which layers containers use; may be given again (default: as storage.conf says)",
      collect,
    )
    .option(
      '--grace <seconds>',
      'how long images stay that are no longer in any cache',
      positiveInteger,
      DEFAULT_GRACE_S,
    )
    .option('--once', 'bring the store in step once and end, instead of following the data folder')
    .option('--remove', 'take the store away, with all its mounts')
    .option('--force', 'with --remove: although containers need the store')
    .addHelpText(
      'after',
      `
Podman finds the store after one line in storage.conf, which this command prints. What is mounted stays when the command
ends, and containers go on; after a reboot it must run before containers start.

Examples:
  larder node podman                       follow all caches; run it as a service
  larder node podman --cache web --once    one cache, as it is now
  podman run --rm --pull=never nginx:1.27  start from it
  larder node podman --remove              undo it, after the line in storage.conf is gone`,
    );
  addOutputOption(command).action((options: Options) => run(io, options));
}

type Options = {
  data?: string;
  store?: string;
  cache?: string[];
  graphRoot?: string[];
  grace: number;
  once?: true;
  remove?: true;
  force?: true;
  output: OutputFormat;
};

async function run(io: Io, options: Options): Promise<void> {
  if (options.force && !options.remove) throw usageError('--force goes with --remove');
  if (options.remove && (options.once || options.cache)) throw usageError('--remove goes without --once and --cache');
  const nodes = await import('../nodes/podman/index.ts');
  const dataDirectory = await layersDirectory(io, options.data);
  if (!options.remove) await nodes.snapshotIds(dataDirectory);
  const folders = await nodes.openStoreFolders(options.store ?? join(dataDirectory, 'podman'));
  const config = await nodes.readStorageConfig(io.env);
  const graphRoots = options.graphRoot ?? [config.graphRoot];
  const configured = config.text.includes(folders.store);
  const report = createReport(io, options.output, folders.store);

  await nodes.withStoreLock(folders, async () => {
    if (options.remove) {
      if (configured && !options.force) throw stillConfigured(config.path, folders.store);
      await nodes.removePodman(folders, { graphRoots, force: options.force ?? false });
      return report.removed();
    }
    const picks = await cacheIds(io, options.cache ?? []);
    const common = { dataDirectory, picks, graphRoots, graceMs: options.grace * 1000, signal: io.signal };
    if (options.once) {
      const result = await nodes.syncPodman(folders, { ...common, nowMs: Date.now() });
      report.result(result);
      if (!configured) report.hint(nodes.SYSTEM_CONFIG);
      if (result.problems.length > 0) {
        throw new LarderError('cli.podman-incomplete', `${result.problems.length} of the above are not in the store`);
      }
      return;
    }
    if (!configured) report.hint(nodes.SYSTEM_CONFIG);
    await nodes.followPodman(folders, {
      ...common,
      onSync: (result) => report.result(result),
      onError: (error) => report.error(error),
    });
  });
}

function stillConfigured(path: string, store: string): LarderError {
  return new LarderError(
    'cli.podman-configured',
    `${path} still names ${store}, and Podman fails altogether when a store of its list is missing: take the line out first`,
  );
}

/** What people see: each change, each new problem; programs get a line of JSON for the same. */
function createReport(io: Io, output: OutputFormat, store: string) {
  let before: Nodes.SyncResult['images'] = new Map();
  let told = '';
  return {
    result({ images, layers, retired, problems }: Nodes.SyncResult): void {
      const now = JSON.stringify([[...images], layers, retired, problems]);
      if (now === told) return;
      told = now;
      if (output === 'json') {
        printJson(io, {
          Store: store,
          Images: [...images].map(([name, id]) => ({ Name: name, ImageId: id })),
          Layers: layers,
          Retired: retired,
          Problems: problems.map(({ code, message }) => ({ Code: code, Message: message })),
        });
        return;
      }
      const counts = `${images.size} images, ${layers} layers${retired > 0 ? `, ${retired} images retired` : ''}`;
      printLine(io, `${formatTime(Date.now())} ${store}: ${counts}`);
      for (const [name, id] of images) {
        const earlier = before.get(name);
        if (earlier !== id)
          printLine(io, `  ${earlier === undefined ? '+' : '~'} ${plain(name)} ${id.slice(0, SHORT_ID)}`);
      }
      for (const name of before.keys()) if (!images.has(name)) printLine(io, `  - ${plain(name)}`);
      for (const problem of problems)
        printLine(io, `  ${colour(io, io.stdout, 'red', '!')} ${plain(problem.message)} (${problem.code})`);
      before = images;
    },
    error(error: unknown): void {
      const line = `${errorCode(error) ?? 'error'}: ${describeError(error)}; trying again`;
      if (line !== told) io.stderr.write(`${plain(line)}\n`);
      told = line;
    },
    removed(): void {
      if (output === 'json') printJson(io, { Store: store, Removed: true });
      else printLine(io, `${store} is gone, with all its mounts`);
    },
    hint(configPath: string): void {
      if (output === 'json') return;
      printLine(
        io,
        `
Podman and CRI-O find the store after this line in ${configPath}, in the section [storage.options]
(copy /usr/share/containers/storage.conf there first where there is none):

  additionalimagestores = ["${store}"]

See that it works: podman images --filter readonly=true
`,
      );
    },
  };
}
