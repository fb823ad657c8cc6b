import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { umociUnpack } from '../../test/support/umoci.ts';
import { dropCaches } from '../cold-run.ts';
import { runTimed, takeTurns } from '../support/run-timed.ts';
import type { StartBench } from './start-bench.ts';
import { type StartRow, spreadOf } from './start-row.ts';

const RUNS_PER_ROUND = 10;
const GOAL_MS = 10;

/** `runc run` of a program that ends at once, from an attached root and from a directory of files. */
export async function* runcRun(bench: StartBench): AsyncGenerator<StartRow> {
  await using folder = await bench.folder();
  const [ours, plain] = [join(folder.path, 'larder'), join(folder.path, 'plain')];
  await bench.server.cli('rootfs', bench.snapshotId, bench.reference, ours, '--entrypoint', '/bin/true');
  try {
    await mkdir(plain);
    await umociUnpack(bench.layout, bench.image, join(plain, 'rootfs'));
    await copyFile(join(ours, 'config.json'), join(plain, 'config.json'));
    const runIn = async (bundle: string) => {
      const args = ['--root', join(folder.path, 'runc'), 'run', '--bundle', bundle, bench.containerName()];
      return (await runTimed('runc', args)).wallMs;
    };
    const contenders = { ours: () => runIn(ours), plain: () => runIn(plain) };
    for (const [when, before, runs] of [
      ['cold page cache', dropCaches, bench.rounds],
      ['again', () => Promise.resolve(), RUNS_PER_ROUND * bench.rounds],
    ] as const) {
      const cold = Object.entries(contenders).map(([name, contender]) => [
        name,
        async () => {
          await before();
          return contender();
        },
      ]);
      const times = await takeTurns(Object.fromEntries(cold), runs);
      const [mine, theirs] = [spreadOf(times.ours ?? []), spreadOf(times.plain ?? [])];
      yield {
        what: `runc run, ${when}`,
        ours: mine,
        peer: { name: 'runc on a plain directory', times: theirs },
        goal: `within ${GOAL_MS} ms`,
        met: mine.median - theirs.median <= GOAL_MS,
        note: `${(mine.median - theirs.median).toFixed(1)} ms more`,
      };
    }
  } finally {
    await bench.server.cli('umount', ours);
  }
}
