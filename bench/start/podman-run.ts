import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createPodman, type Podman } from '../../test/support/podman.ts';
import { run } from '../../test/support/run.ts';
import { dropCaches } from '../cold-run.ts';
import { runTimed, type TimedRun, takeTurns } from '../support/run-timed.ts';
import { MAIN, nodeEnvironment } from './bench-agent.ts';
import type { StartBench } from './start-bench.ts';
import { compare, NOISE, type StartRow } from './start-row.ts';

const RUNS_PER_ROUND = 5;
const PEER = 'podman, image pulled';

/** Debian's crun does not start on hosts with both cgroup versions; hosts may allow less than Podman's default limits. */
export const PODMAN_RUN = [
  'run',
  '--rm',
  '--runtime=runc',
  '--network=none',
  '--ulimit=nofile=1024:1024',
  '--ulimit=nproc=1024:1024',
];

/** `podman run` from the additional image store, and from what Podman pulled itself. */
export async function* podmanRun(bench: StartBench): AsyncGenerator<StartRow> {
  await using folder = await bench.folder();
  await using ours = await podmanWithStore(bench, join(folder.path, 'o'));
  await using theirs = await podmanAlone(join(folder.path, 't'));
  await theirs.call('pull', '--quiet', '--tls-verify=false', bench.reference);
  const contender = (podman: BenchPodman, before: () => Promise<void>) => async () => {
    await before();
    const args = [...PODMAN_RUN, '--pull=never', bench.reference, '/bin/true'];
    return (await podmanTimed(podman, args)).wallMs;
  };
  for (const [when, before, runs] of [
    ['cold page cache', dropCaches, bench.rounds],
    ['again', () => Promise.resolve(), RUNS_PER_ROUND * bench.rounds],
  ] as const) {
    const times = await takeTurns({ ours: contender(ours, before), theirs: contender(theirs, before) }, runs);
    yield compare({
      what: `podman run --pull=never, ${when}`,
      ours: times.ours ?? [],
      peer: { name: PEER, times: times.theirs ?? [] },
      goal: 'no slower',
      maxRatio: NOISE,
    });
  }
}

export type BenchPodman = Podman & AsyncDisposable & { readonly temporary: string };

export function podmanTimed({ temporary, env }: BenchPodman, args: readonly string[]): Promise<TimedRun> {
  return runTimed('podman', ['--tmpdir', temporary, ...args], { env });
}

/** Podman with storage of its own, which is empty. */
export async function podmanAlone(folder: string, stores: readonly string[] = []): Promise<BenchPodman> {
  await mkdir(folder, { recursive: true });
  const podman = createPodman(folder, stores);
  return { ...podman, temporary: join(folder, 'tmp'), [Symbol.asyncDispose]: () => podman.close() };
}

/** Podman, and the store that `larder node podman` makes of a data folder, by default the server's. */
async function podmanWithStore(bench: StartBench, folder: string): Promise<BenchPodman> {
  const store = join(folder, 'store');
  const podman = await podmanAlone(folder, [store]);
  const larder = (...args: string[]) =>
    run(
      process.execPath,
      [MAIN, 'node', 'podman', `--data=${bench.server.dataDirectory}`, `--store=${store}`, ...args],
      {
        env: { ...nodeEnvironment(bench), ...podman.env },
      },
    );
  await larder('--once');
  return {
    ...podman,
    async [Symbol.asyncDispose]() {
      await podman.close();
      await larder('--remove', '--force');
    },
  };
}
