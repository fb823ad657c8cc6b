import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { attachImage, detachImage, layerFileOf, loadLibc, readSnapshot, unmount } from '../../src/nodes/index.ts';
import { mountOverlay } from '../../src/nodes/linux/index.ts';
import { run } from '../../test/support/run.ts';
import { dropCaches } from '../cold-run.ts';
import { runTimed } from '../support/run-timed.ts';
import { podmanAlone } from './podman-run.ts';
import type { StartBench } from './start-bench.ts';
import { compare, NOISE, type StartRow, spreadOf } from './start-row.ts';

const WARM_RUNS = 3;
const MAX_COLD_RATIO = 1.2;
const PEER = 'overlayfs on the disk’s file system';
const MS_RDONLY = 0x1;
const MS_NOATIME = 0x400;
const READ_ALL = 'find "$1" -xdev -type f -print0 | xargs -0 cat > /dev/null';

type Root = {
  readonly name: string;
  mount(directory: string): Promise<void>;
  unmount(directory: string): Promise<void>;
};
type Measured = { cold: number[]; warm: number[]; cachedMib: number[] };

/** All files of a root, read by the same programs. */
export async function* readFiles(bench: StartBench): AsyncGenerator<StartRow> {
  await using folder = await bench.folder();
  await using podman = await podmanAlone(join(folder.path, 'p'));
  await podman.call('pull', '--quiet', '--tls-verify=false', bench.reference);
  const directories = await layerDirectories(podman.graphRoot, (...args) => podman.call(...args), bench.reference);
  const roots: Root[] = [
    attached(bench),
    await layersMounted(bench, { name: 'buffered', folder: folder.path }),
    await overlayOf(PEER, directories, folder.path),
  ];
  const measured = new Map(roots.map(({ name }): [string, Measured] => [name, { cold: [], warm: [], cachedMib: [] }]));
  const directory = join(folder.path, 'root');
  await mkdir(directory);
  for (let round = 0; round < bench.rounds; round++) {
    for (const root of roots) await readRoot(root, directory, measured.get(root.name));
    roots.push(...roots.splice(0, 1));
  }
  const theirs = measured.get(PEER);
  const memory = `${mib(theirs)} MiB of page cache`;
  for (const [name, { cold, warm }] of measured) {
    if (name === PEER || !theirs) continue;
    const own = `${mib(measured.get(name))} MiB of page cache, the peer ${memory}`;
    const what = name === OURS ? 'all files read' : `all files read, layers mounted ${name}`;
    const variant = name !== OURS;
    const rows = [
      compare({
        what: `${what}, cold page cache`,
        ours: cold,
        peer: { name: PEER, times: theirs.cold },
        goal: variant ? '' : `${MAX_COLD_RATIO} times`,
        maxRatio: MAX_COLD_RATIO,
        note: own,
      }),
      compare({
        what: `${what}, warm`,
        ours: warm,
        peer: { name: PEER, times: theirs.warm },
        goal: variant ? '' : 'no slower',
        maxRatio: NOISE,
      }),
    ];
    for (const row of rows) yield row;
  }
}

const OURS = 'larder';

async function readRoot(root: Root, directory: string, into: Measured | undefined): Promise<void> {
  await root.mount(directory);
  try {
    await dropCaches();
    const before = cachedMib();
    const read = async () => (await runTimed('sh', ['-ec', READ_ALL, 'sh', directory])).wallMs;
    into?.cold.push(await read());
    into?.cachedMib.push(cachedMib() - before);
    for (let again = 0; again < WARM_RUNS; again++) into?.warm.push(await read());
  } finally {
    await root.unmount(directory);
  }
}

function attached({ server: { dataDirectory }, snapshotId, reference }: StartBench): Root {
  return {
    name: OURS,
    mount: async (directory) => void (await attachImage({ dataDirectory, snapshotId, reference, directory })),
    unmount: async (directory) => void (await detachImage({ dataDirectory, directory })),
  };
}

/** The same files and overlay, with the layers as the kernel mounts them if not asked for more. */
async function layersMounted(bench: StartBench, { name, folder }: { name: string; folder: string }): Promise<Root> {
  const libc = await loadLibc();
  const { images } = await readSnapshot(bench.server.dataDirectory, bench.snapshotId);
  const layers = images[0]?.layers.toReversed() ?? [];
  const points = layers.map((_, place) => join(folder, `${name}-${place}`));
  const empty = join(folder, `${name}-empty`);
  for (const point of [...points, empty]) await mkdir(point);
  return {
    name,
    async mount(directory) {
      for (const [place, { blob }] of layers.entries()) {
        const file = layerFileOf(bench.server.dataDirectory, blob);
        libc.mount(file, points[place] ?? '', 'erofs', MS_RDONLY | MS_NOATIME, '');
      }
      mountOverlay(libc, { source: name, mountPoint: directory, lowers: [...points, empty] });
    },
    async unmount(directory) {
      for (const point of [directory, ...points]) unmount(libc, point);
    },
  };
}

async function overlayOf(name: string, directories: readonly string[], folder: string): Promise<Root> {
  const libc = await loadLibc();
  const empty = join(folder, 'overlay-empty');
  await mkdir(empty);
  return {
    name,
    mount: async (directory) => {
      mountOverlay(libc, { source: 'bench', mountPoint: directory, lowers: [...directories, empty] });
    },
    unmount: async (directory) => unmount(libc, directory),
  };
}

/** The unpacked layers of an image that Podman pulled, topmost first. */
async function layerDirectories(
  graphRoot: string,
  podman: (...args: string[]) => Promise<string>,
  reference: string,
): Promise<string[]> {
  const format = '{{index .GraphDriver.Data "UpperDir"}}:{{index .GraphDriver.Data "LowerDir"}}';
  const answer = await podman('image', 'inspect', '--format', format, reference);
  const directories = answer
    .trim()
    .split(':')
    .filter((path) => path.startsWith(graphRoot));
  await run('ls', directories);
  return directories;
}

function cachedMib(): number {
  return Number(/^Cached:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) / 1024;
}

function mib(measured: Measured | undefined): string {
  return spreadOf(measured?.cachedMib ?? []).median.toFixed(0);
}
