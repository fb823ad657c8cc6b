import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { run, toolEnvironment } from '../../test/support/run.ts';
import { dropCaches } from '../cold-run.ts';
import { runTimed } from '../support/run-timed.ts';
import { MAIN, nodeEnvironment } from './bench-agent.ts';
import { startNode } from './containerd.ts';
import { PODMAN_RUN, podmanAlone, podmanTimed } from './podman-run.ts';
import type { StartBench } from './start-bench.ts';
import { type StartRow, spreadOf } from './start-row.ts';

const GOAL = 5;
const SAYS = ['/bin/echo', 'here'];
/** `$1` larder's main.ts, `$2` cache, `$3` snapshot, `$4` image, `$5` folder, `$6` name of the container. */
const FETCH = '"$NODE" "$1" node run --cache "$2" --data "$5/data" --once --log-level warn';
const WITH_RUNC = `${FETCH}
"$NODE" "$1" rootfs "$3" "$4" "$5/bundle" --data "$5/data" --entrypoint ${SAYS.join(' -- ')} >&2
runc --root "$5/runc" run --bundle "$5/bundle" "$6"`;
const WITH_PODMAN = `${FETCH}
"$NODE" "$1" node podman --once --data "$5/data" --store "$5/store" >&2
podman --tmpdir "$5/tmp" ${PODMAN_RUN.join(' ')} --pull=never "$4" ${SAYS.join(' ')}`;

type Contender = (folder: string) => Promise<number>;

/** An empty node: from the command to the first output of a container, what is fetched included. */
export async function* freshNode(bench: StartBench): AsyncGenerator<StartRow> {
  const ours: Record<string, Contender> = {
    'larder node run --once, rootfs, runc run': (folder) => withRunc(bench, folder),
    'larder node run --once, node podman, podman run': (folder) => withPodman(bench, folder),
  };
  const peers: Record<string, Contender> = {
    'podman run': (folder) => podmanPulls(bench, folder),
    'ctr images pull, ctr run': () => containerdPulls(bench),
  };
  const order = Object.entries({ ...ours, ...peers });
  const times = new Map(order.map(([name]): [string, number[]] => [name, []]));
  for (let round = 0; round < bench.rounds; round++) {
    for (const [name, contender] of order) {
      await using folder = await bench.folder();
      times.get(name)?.push(await contender(folder.path));
    }
    order.push(...order.splice(0, 1));
  }
  const note = `to write and sync as many bytes takes this disk ${(await diskSeconds(bench)).toFixed(1)} s`;
  for (const what of Object.keys(ours)) {
    const mine = spreadOf(times.get(what) ?? []);
    for (const name of Object.keys(peers)) {
      const theirs = spreadOf(times.get(name) ?? []);
      yield {
        what: `fresh node, first output: ${what}`,
        ours: mine,
        peer: { name, times: theirs },
        goal: `${GOAL} times faster`,
        met: theirs.median >= GOAL * mine.median,
        note,
      };
    }
  }
}

/** What no node that keeps an image can do without. */
async function diskSeconds(bench: StartBench): Promise<number> {
  await using folder = await bench.folder();
  await dropCaches();
  const count = Math.ceil(bench.blobs.bytes / 2 ** 20);
  const args = ['if=/dev/zero', `of=${join(folder.path, 'zeros')}`, 'bs=1M', `count=${count}`, 'conv=fsync'];
  return (await runTimed('dd', args)).wallMs / 1000;
}

async function withRunc(bench: StartBench, folder: string): Promise<number> {
  const environment = { ...toolEnvironment(), ...nodeEnvironment(bench), PATH: toolEnvironment().PATH };
  try {
    return await firstOutput(bench, { script: WITH_RUNC, folder, environment });
  } finally {
    const args = [MAIN, 'umount', join(folder, 'bundle'), '--data', join(folder, 'data')];
    await run(process.execPath, args, { env: nodeEnvironment(bench) });
  }
}

async function withPodman(bench: StartBench, folder: string): Promise<number> {
  const store = join(folder, 'store');
  // Podman insists on the folder; larder fills it.
  await using podman = await podmanAlone(folder, [store]);
  const environment = { ...podman.env, ...nodeEnvironment(bench), PATH: podman.env.PATH };
  try {
    return await firstOutput(bench, { script: WITH_PODMAN, folder, environment });
  } finally {
    await podman.close();
    const args = [MAIN, 'node', 'podman', '--remove', '--force', '--store', store, '--data', join(folder, 'data')];
    await run(process.execPath, args, { env: environment });
  }
}

async function firstOutput(
  bench: StartBench,
  { script, folder, environment }: { script: string; folder: string; environment: NodeJS.ProcessEnv },
): Promise<number> {
  await mkdir(folder, { recursive: true });
  const { server, cacheId, snapshotId, reference } = bench;
  // One that has not sent the image lately, as its page cache will not have it either.
  await server.stop();
  await server.start();
  const args = [MAIN, cacheId, snapshotId, reference, folder, bench.containerName()];
  const env = { ...environment, NODE: process.execPath };
  await dropCaches();
  return outputMs(await runTimed('sh', ['-ec', script, 'sh', ...args], { env }));
}

async function podmanPulls(bench: StartBench, folder: string): Promise<number> {
  await using podman = await podmanAlone(folder);
  await dropCaches();
  return outputMs(await podmanTimed(podman, [...PODMAN_RUN, '--tls-verify=false', bench.reference, ...SAYS]));
}

async function containerdPulls(bench: StartBench): Promise<number> {
  await using node = await startNode(bench, 'overlayfs');
  await dropCaches();
  const script = `"$CTR" --address "$1" images pull --plain-http "$2" >&2
"$CTR" --address "$1" run --rm "$2" "$3" ${SAYS.join(' ')}`;
  const args = [node.address, bench.reference, bench.containerName()];
  const env = { ...toolEnvironment(), CTR: node.ctrCommand };
  return outputMs(await runTimed('sh', ['-ec', script, 'sh', ...args], { env }));
}

function outputMs({ firstOutputMs, output }: { firstOutputMs: number | undefined; output: string }): number {
  if (firstOutputMs === undefined || output.trim() !== SAYS[1]) throw new Error(`unexpected output: ${output}`);
  return firstOutputMs;
}
