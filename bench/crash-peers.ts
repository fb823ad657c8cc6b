/**
 * What a power cut leaves of an image that was said to be there: `node bench/crash-peers.ts [--rounds N]`, as root. Each pulls a
 * small image onto an ext4 of its own; some time after it said that it is done, it is killed and the file system shut down
 * (support/cut-disk.ts). Then it starts again and is asked, by its own means, whether it has the image, and all files are read.
 */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLimit } from '../src/lib/limit.ts';
import { createContainerd } from '../test/support/containerd.ts';
import { startDockerRegistry } from '../test/support/docker-registry.ts';
import { startLarder } from '../test/support/larder-server.ts';
import { createPodman } from '../test/support/podman.ts';
import { run } from '../test/support/run.ts';
import { pushSmallImage } from '../test/support/small-image.ts';
import { mountCutDisk } from './support/cut-disk.ts';

const LAYERS = 5;
const FILE_BYTES = 300_000;
/** After the answer; ext4 commits its journal every 5 seconds, and the kernel writes pages back after 30. */
const MOMENTS_S = [0, 8, 45] as const;
const AT_ONCE = 8;
const CACHE = 'cut';
/** Of an image that was said to be there, what is said of it after the cut. */
const OUTCOMES = ['whole', 'said to be gone', 'said to be there, and is not', 'the store does not open'] as const;
type Outcome = (typeof OUTCOMES)[number];

type Image = { registry: string; reference: string; fileDigest: string };
/** A store in a folder; what is made of it is made anew by `start`. */
type Peer = {
  start(): Promise<void>;
  pull(): Promise<void>;
  isThere(): Promise<boolean>;
  /** Where the image's files can be read. */
  mount(target: string): Promise<string>;
  kill(): Promise<void>;
};

const PEERS: Readonly<Record<string, (folder: string, image: Image) => Promise<Peer>>> = {
  larder: async (folder, { registry, reference }) => {
    const server = await startLarder({ parent: folder, env: { LARDER_PLAIN_HTTP_REGISTRIES: registry } });
    await server.kill();
    const data = ['--data', server.dataDirectory];
    return {
      start: () => server.start(),
      pull: async () => void (await server.cli('create', CACHE, '--image', reference, '--wait')),
      isThere: async () => /"Status": *"Ready"/.test(await server.cli('list', '--output', 'json')),
      async mount(target) {
        await server.cli('mount', CACHE, reference, target, ...data);
        return target;
      },
      kill: () => server.kill(),
    };
  },
  'podman pull': (folder, { reference }) => {
    const podman = createPodman(folder, []);
    return Promise.resolve({
      start: async () => void (await podman.call('images')),
      pull: async () => void (await podman.call('pull', '--quiet', '--tls-verify=false', reference)),
      isThere: () =>
        podman.call('image', 'exists', reference).then(
          () => true,
          () => false,
        ),
      mount: async () => (await podman.call('image', 'mount', reference)).trim(),
      // Nothing of it runs on.
      kill: () => Promise.resolve(),
    });
  },
  'ctr images pull': async (folder, { reference }) => {
    const containerd = await createContainerd({ home: folder, snapshotterSocket: join(folder, 'none.sock') });
    const into = ['--snapshotter', 'overlayfs', reference];
    return {
      start: () => containerd.start(),
      pull: async () => void (await containerd.ctr('images', 'pull', '--plain-http', ...into)),
      isThere: async () => (await containerd.ctr('images', 'ls', '--quiet')).includes(reference),
      async mount(target) {
        await containerd.ctr('images', 'mount', ...into, target);
        return target;
      },
      kill: () => containerd.end(),
    };
  },
};

/** What became of the image; and whether another pull, as anybody would try, makes it whole. */
async function cutOnce(
  make: (folder: string, image: Image) => Promise<Peer>,
  image: Image,
  afterS: number | undefined,
): Promise<{ outcome: Outcome; isHealed: boolean }> {
  await using disk = await mountCutDisk();
  const peer = await make(disk.directory, image);
  await peer.start();
  // What was there before the image is not what is looked at: configurations and empty stores.
  await run('sync', ['--file-system', disk.directory]);
  await peer.pull();
  await sleep((afterS ?? 0) * 1000);
  await peer.kill();
  if (afterS !== undefined) {
    await disk.cutPower();
    // On a real machine these are in a tmpfs.
    for (const name of ['run', 'tmp']) await rm(join(disk.directory, name), { recursive: true, force: true });
  }
  try {
    await peer.start();
  } catch {
    return { outcome: 'the store does not open', isHealed: false };
  }
  try {
    const outcome = await look(peer, image, join(disk.directory, 'target-1'));
    if (outcome === 'whole') return { outcome, isHealed: true };
    await peer.pull().catch(() => {});
    return { outcome, isHealed: (await look(peer, image, join(disk.directory, 'target-2'))) === 'whole' };
  } finally {
    await peer.kill();
  }
}

async function look(peer: Peer, image: Image, target: string): Promise<Outcome> {
  try {
    if (!(await peer.isThere())) return 'said to be gone';
    await mkdir(target);
    return (await isWhole(await peer.mount(target), image)) ? 'whole' : 'said to be there, and is not';
  } catch {
    return 'said to be there, and is not';
  }
}

async function isWhole(root: string, { fileDigest }: Image): Promise<boolean> {
  for (let index = 0; index < LAYERS; index++) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(root, `layer-${index}/data`))) hash.update(chunk);
    if (hash.digest('hex') !== fileDigest) return false;
  }
  return true;
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '8' } } });
await using registry = await startDockerRegistry();
const fill = randomBytes(FILE_BYTES);
const { reference } = await pushSmallImage({ host: registry.host }, { layers: LAYERS, bytes: FILE_BYTES, fill });
const fileDigest = createHash('sha256').update(fill).digest('hex');
const image: Image = { registry: registry.host, reference, fileDigest };
const limit = createLimit(AT_ONCE);
const columns = ['power cut after "done"', ...OUTCOMES, 'not whole after another pull'];
process.stdout.write(`| ${columns.join(' | ')} |\n|${'---|'.repeat(columns.length)}\n`);
for (const [name, make] of Object.entries(PEERS)) {
  // Without a cut all must be whole, or the look is wrong.
  for (const afterS of [undefined, ...MOMENTS_S]) {
    const rounds = Array.from({ length: Number(values.rounds) }, () => limit(() => cutOnce(make, image, afterS)));
    const results = await Promise.all(rounds);
    const counts = OUTCOMES.map((outcome) => results.filter((each) => each.outcome === outcome).length);
    const cells = [...counts, results.filter(({ isHealed }) => !isHealed).length];
    process.stdout.write(`| ${name}, ${afterS === undefined ? 'no cut' : `${afterS} s`} | ${cells.join(' | ')} |\n`);
  }
}
