import type { Command } from 'commander';
import { LarderError } from '../lib/errors.ts';
import { failureReason, followBuild } from './follow-build.ts';
import type { Io } from './io.ts';
import { colour, plain, printLine } from './output.ts';

/** No answer takes longer: the server is in this process. */
const CALL_TIMEOUT_MS = 30_000;

export function addDemo(program: Command, io: Io): void {
  program
    .command('demo [images...]')
    .description('do the whole job once on a temporary folder: server, image cache, mount, run')
    .addHelpText(
      'after',
      `
Without IMAGES it takes an image made on the spot of this machine's Node. As root it also mounts the result and runs its
entry point, in namespaces of its own but as root: name only images that you trust. Nothing is left behind.

Examples:
  larder demo
  sudo larder demo docker.io/library/alpine:3`,
    )
    .action((images: string[]) => demo(io, images));
}

async function demo(io: Io, images: readonly string[]): Promise<void> {
  const { runDemo } = await import('../demo/index.ts');
  const { createClient } = await import('../client/index.ts');
  const { createProgressView } = await import('./progress-view.ts');
  const startMs = performance.now();
  await runDemo({
    images,
    env: io.env,
    signal: io.signal,
    print: (line) => printLine(io, line),
    async follow(server, imageCacheId) {
      const client = createClient({ ...server, timeoutMs: CALL_TIMEOUT_MS });
      const { cache } = await followBuild({ client, imageCacheId, view: createProgressView(io), signal: io.signal });
      if (cache.Status === 'Ready' && cache.SnapshotId) return cache.SnapshotId;
      throw new LarderError('cli.build-failed', plain(failureReason(cache)));
    },
  });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  printLine(io, colour(io, io.stdout, 'green', `Done in ${seconds} s.`));
}
