import { join } from 'node:path';
import { type Containerd, createContainerd, createSnapshotter } from '../../test/support/containerd.ts';
import {
  CONTAINERD_RELEASES,
  type ContainerdRelease,
  containerdVersion,
  MAIN_CONTAINERD,
} from '../../test/support/containerd-releases.ts';
import { startCountingProxy } from '../../test/support/counting-proxy.ts';
import { createCri } from '../../test/support/cri.ts';
import { dropCaches } from '../cold-run.ts';
import type { StartBench } from './start-bench.ts';
import { compare, NOISE, type StartRow, spreadOf } from './start-row.ts';

const GOAL_MS = 1000;
const REPEATED_RUNS = 5;
const PEER = 'containerd, overlayfs';
/** The namespace of Kubernetes, where its pulls go. */
const KUBERNETES = 'k8s.io';

type Snapshotters = 'larder' | 'overlayfs';
type Times = Record<
  Snapshotters,
  { cri: number[]; first: number[]; again: number[]; ctr: Map<ContainerdRelease, number[]> }
>;

/** Pulls on a node that holds the cache, and containers after that. A containerd of its own each time. */
export async function* containerd(bench: StartBench): AsyncGenerator<StartRow> {
  const times: Times = { larder: noTimes(), overlayfs: noTimes() };
  const order: Snapshotters[] = ['larder', 'overlayfs'];
  for (let round = 0; round < bench.rounds; round++) {
    for (const snapshotter of order) {
      await pullAndRun(bench, snapshotter, times[snapshotter]);
      for (const [release, list] of times[snapshotter].ctr) list.push(await msOfCtrPull(bench, snapshotter, release));
    }
    order.reverse();
  }
  yield pullRow({
    what: 'kubelet’s pull (CRI PullImage)',
    peer: PEER,
    ours: times.larder.cri,
    theirs: times.overlayfs.cri,
    counted: await countRequests(bench, MAIN_CONTAINERD, async (node, reference) => {
      const cri = createCri(node.address);
      await cri.pull(reference);
      cri.close();
    }),
  });
  for (const release of CONTAINERD_RELEASES) {
    const { text } = await containerdVersion(release);
    yield pullRow({
      what: `ctr images pull, ${text}`,
      peer: `containerd ${text}, overlayfs`,
      ours: times.larder.ctr.get(release) ?? [],
      theirs: times.overlayfs.ctr.get(release) ?? [],
      counted: await countRequests(bench, release, (node, reference) => pullByCtr(node, 'larder', reference)),
    });
  }
  for (const [what, which] of [
    ['ctr run --rm, first after the pull, cold page cache', 'first'],
    ['ctr run --rm, again', 'again'],
  ] as const) {
    const [ours, theirs] = [times.larder[which], times.overlayfs[which]];
    yield compare({ what, ours, peer: { name: PEER, times: theirs }, goal: 'no slower', maxRatio: NOISE });
  }
}

async function pullAndRun(bench: StartBench, snapshotter: Snapshotters, times: Times[Snapshotters]): Promise<void> {
  await using node = await startNode(bench, snapshotter);
  await dropCaches();
  const cri = createCri(node.address);
  try {
    times.cri.push(await msOf(() => cri.pull(bench.reference)));
  } finally {
    cri.close();
  }
  const runOnce = () => {
    const what = ['--snapshotter', snapshotter, bench.reference, bench.containerName(), '/bin/true'];
    return msOf(() => node.ctr('--namespace', KUBERNETES, 'run', '--rm', ...what));
  };
  // What the pull wrote is on the disk and out of memory, as after a while on a busy node.
  await dropCaches();
  times.first.push(await runOnce());
  for (let again = 0; again < REPEATED_RUNS; again++) times.again.push(await runOnce());
}

function noTimes(): Times[Snapshotters] {
  return { cri: [], first: [], again: [], ctr: new Map(CONTAINERD_RELEASES.map((release) => [release, []])) };
}

function pullRow(row: { what: string; peer: string; ours: number[]; theirs: number[]; counted: Counted }): StartRow {
  const ours = spreadOf(row.ours);
  return {
    what: row.what,
    ours,
    peer: { name: row.peer, times: spreadOf(row.theirs) },
    goal: `${GOAL_MS / 1000} s, no request for a layer`,
    met: ours.median <= GOAL_MS && row.counted.layers === 0,
    note: row.counted.text,
  };
}

async function msOfCtrPull(bench: StartBench, snapshotter: Snapshotters, release: ContainerdRelease): Promise<number> {
  await using node = await startNode(bench, snapshotter, { release });
  await dropCaches();
  return await msOf(() => pullByCtr(node, snapshotter, bench.reference));
}

export function pullByCtr(node: Containerd, snapshotter: string, reference: string): Promise<string> {
  return node.ctr('images', 'pull', '--plain-http', '--snapshotter', snapshotter, reference);
}

type Counted = { layers: number; text: string };

/** What a pull asks of the registry. Apart from the times, since a proxy costs some. */
async function countRequests(
  bench: StartBench,
  release: ContainerdRelease,
  pull: (node: Containerd, reference: string) => Promise<unknown>,
): Promise<Counted> {
  await using proxy = await startCountingProxy(bench.registry.host);
  const config = await configDigest(bench);
  await using node = await startNode(bench, 'larder', { release });
  await pull(node, bench.reference.replace(bench.registry.host, proxy.host));
  const kinds = new Map<string, number>();
  for (const line of proxy.take()) {
    const kind = kindOf(line, config);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const listed = [...kinds].map(([kind, times]) => (times === 1 ? kind : `${times} × ${kind}`));
  return { layers: kinds.get('layer') ?? 0, text: `the registry is asked for: ${listed.join(', ')}` };
}

function kindOf(line: string, configDigestText: string): string {
  const [method, path = ''] = line.split(' ');
  if (/^\/v2\/?$/.test(path)) return 'ping';
  if (path.includes('/manifests/')) return method === 'HEAD' ? 'manifest (HEAD)' : 'manifest';
  return path.includes(configDigestText) ? 'config' : 'layer';
}

async function configDigest(bench: StartBench): Promise<string> {
  const [, repository = '', tag = ''] = /^[^/]+\/(.+):([^:]+)$/.exec(bench.reference) ?? [];
  const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' };
  const answer = await fetch(`http://${bench.registry.host}/v2/${repository}/manifests/${tag}`, { headers });
  const manifest: { config: { digest: string } } = JSON.parse(await answer.text());
  return manifest.config.digest;
}

/** A containerd with empty folders; with `larder` also the snapshotter, on the server's data folder. */
export async function startNode(
  bench: StartBench,
  snapshotter: Snapshotters,
  { release = MAIN_CONTAINERD }: { release?: ContainerdRelease } = {},
): Promise<Containerd & AsyncDisposable> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await bench.folder());
  const home = folder.path;
  const larder = createSnapshotter({ home, dataDirectory: bench.server.dataDirectory });
  cleanup.defer(() => larder.end('SIGTERM'));
  if (snapshotter === 'larder') await larder.start();
  const daemon = await createContainerd({ home, release, snapshotterSocket: join(home, 'larder.sock'), snapshotter });
  cleanup.defer(() => daemon.end('SIGTERM'));
  await daemon.start();
  if (snapshotter === 'larder') await daemon.untilConnected();
  const owned = cleanup.move();
  return { ...daemon, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function msOf(task: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await task();
  return performance.now() - startedMs;
}
