import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { attachImage, detachImage, layerFileOf, readSnapshot } from '../../src/nodes/index.ts';
import { toolEnvironment } from '../../test/support/run.ts';
import { processSystemSeconds } from '../process-cpu.ts';
import { startBenchAgent } from './bench-agent.ts';
import type { StartBench } from './start-bench.ts';
import { type StartRow, spreadOf, type Times } from './start-row.ts';

/** Enough for a p99, and for the kernel's clock of CPU time, which ticks a few hundred times a second. */
const LOOPS = 200;
/** What the runtime compiles, and reads from the disk, once. */
const WARM_UP = 5;
const GOAL_MS = 10;
const KERNEL_GOAL_MS = 1;
const PEER = 'mount -o loop, mount -t overlay';

/** An image whose blobs are local: from the call to a root that can be used. */
export async function* attach(bench: StartBench): AsyncGenerator<StartRow> {
  await using folder = await bench.folder();
  const peer = { name: PEER, times: spreadOf(await loopMounts(bench, folder.path)) };
  const root = join(folder.path, 'root');
  await using agent = await startBenchAgent(bench, join(folder.path, 'node'));
  const { client } = agent;
  const byAgent: Steps = {
    attach: async (directory) => void (await client.attach(bench.reference, directory)),
    detach: async (directory) => void (await client.detach(directory)),
    // The agent's own; the caller here is another process.
    systemMs: () => processSystemSeconds(agent.pid) * 1000,
  };
  yield rowOf('attach through the running agent', await measure(byAgent, root), peer);

  const other = join(folder.path, 'other');
  await byAgent.attach(other);
  yield rowOf('the same, while another container has the image', await measure(byAgent, root), peer);
  await byAgent.detach(other);

  const { dataDirectory } = bench.server;
  const { snapshotId, reference } = bench;
  const inProcess: Steps = {
    attach: async (directory) => void (await attachImage({ dataDirectory, snapshotId, reference, directory })),
    detach: async (directory) => void (await detachImage({ dataDirectory, directory })),
    systemMs: () => process.cpuUsage().system / 1000,
  };
  yield rowOf('attach in the process of the caller', await measure(inProcess, root), peer);
}

type Steps = {
  attach: (directory: string) => Promise<void>;
  detach: (directory: string) => Promise<void>;
  /** Time that the kernel worked for the process so far. */
  systemMs: () => number;
};
type Measured = { times: Times; systemMs: number };

/** Attaches and detaches; the time is that of attaching alone, the kernel's too. */
async function measure({ attach: attachAt, detach, systemMs }: Steps, directory: string): Promise<Measured> {
  const times: number[] = [];
  let system = 0;
  for (let loop = -WARM_UP; loop < LOOPS; loop++) {
    const [systemBefore, startedMs] = [systemMs(), performance.now()];
    await attachAt(directory);
    checkUsable(directory);
    const wallMs = performance.now() - startedMs;
    if (loop >= 0) {
      times.push(wallMs);
      // Sampled by ticks, so that one difference says nothing; the sum over all loops is right.
      system += systemMs() - systemBefore;
    }
    await detach(directory);
  }
  return { times, systemMs: system / LOOPS };
}

function checkUsable(directory: string): void {
  if (!statSync(join(directory, 'etc')).isDirectory() || readdirSync(directory).length === 0) {
    throw new Error(`${directory} is no root of an image`);
  }
}

function rowOf(what: string, { times, systemMs }: Measured, peer: NonNullable<StartRow['peer']>): StartRow {
  const ours = spreadOf(times);
  return {
    what,
    ours,
    peer,
    goal: `p99 ${GOAL_MS} ms, ${KERNEL_GOAL_MS} ms of it in the kernel`,
    met: ours.p99 <= GOAL_MS && systemMs <= KERNEL_GOAL_MS,
    note: `in the kernel ${systemMs.toFixed(2)} ms`,
  };
}

/** What one does by hand with the same files: a shell, a loop device per layer, an overlay. */
async function loopMounts(bench: StartBench, folder: string): Promise<Times> {
  const { images } = await readSnapshot(bench.server.dataDirectory, bench.snapshotId);
  const files = images[0]?.layers.map(({ blob }) => layerFileOf(bench.server.dataDirectory, blob)) ?? [];
  const empty = join(folder, 'empty');
  const directory = join(folder, 'by-hand');
  await mkdir(empty);
  await mkdir(directory);
  const points = files.map((_, place) => join(folder, `loop-${place}`));
  for (const point of points) await mkdir(point);
  const mounts = files.map((file, place) => `mount -t erofs -o loop,ro ${file} ${points[place]}`);
  const lowers = [...points.toReversed(), empty].join(':');
  const mount = [...mounts, `mount -t overlay -o ro,lowerdir=${lowers} overlay ${directory}`].join(' && ');
  const times: number[] = [];
  for (let loop = -WARM_UP; loop < LOOPS; loop++) {
    const startedMs = performance.now();
    shell(mount);
    checkUsable(directory);
    if (loop >= 0) times.push(performance.now() - startedMs);
    shell(`umount ${directory} ${points.join(' ')}`);
  }
  return times;
}

function shell(script: string): void {
  const { status, stderr } = spawnSync('sh', ['-ec', script], { env: toolEnvironment(), encoding: 'utf8' });
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
}
