/**
 * What a power cut leaves of an image that was said to be there, or is just being pulled:
 * `node bench/crash-peers.ts [--rounds N] [--moment PART] [PEER…]`, as root. Each pulls a small image onto an ext4 of its own;
 * about the middle of the pull, or some time after it said that it is done, it is killed and the file system shut down
 * (support/cut-disk.ts). Then it starts again and is asked, by its own means, whether it has the image, and all files are read.
 * What is not whole is pulled once more, as anybody would. Why something is not whole goes to stderr.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { describeError } from '../src/lib/errors.ts';
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
const MOMENTS: readonly Moment[] = [
  // Without a cut all must be whole, or the look is wrong.
  { title: 'no cut', isCut: false, afterS: 0 },
  { title: 'killed in mid-pull', isCut: false },
  { title: 'cut in mid-pull', isCut: true },
  { title: 'cut at once', isCut: true, afterS: 0 },
  { title: 'cut after 8 s', isCut: true, afterS: 8 },
  { title: 'cut after 45 s', isCut: true, afterS: 45 },
];
const PULL_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const AT_ONCE = 8;
const CACHE = 'cut';
/** Of an image that was said to be there, what is said of it after the cut. */
const OUTCOMES = ['whole', 'said to be gone', 'said to be there, and is not', 'the store does not open'] as const;
type Outcome = (typeof OUTCOMES)[number];

/** When it is killed: so long after the pull ended, or in the middle of it; and whether the power is cut then. */
type Moment = { title: string; isCut: boolean; afterS?: number };
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
    const list = () => server.cli('list', '--output', 'json');
    const isThere = async () => /"Status": *"Ready"/.test(await list());
    return {
      start: () => server.start(),
      async pull() {
        // It goes on by itself after a restart.
        if ((await list()).includes(CACHE)) await untilThere(isThere);
        else await server.cli('create', CACHE, '--image', reference, '--wait');
      },
      isThere,
      async mount(target) {
        await server.cli('mount', CACHE, reference, target, ...data);
        return target;
      },
      kill: () => server.kill(),
    };
  },
  'podman pull': (folder, { reference }) => {
    const podman = createPodman(folder, []);
    let pulling: ChildProcess | undefined;
    return Promise.resolve({
      start: async () => void (await podman.call('images')),
      async pull() {
        const args = ['--tmpdir', join(folder, 'tmp'), 'pull', '--quiet', '--tls-verify=false', reference];
        // In a group of its own: its helpers end with it.
        const child = spawn('podman', args, { env: podman.env, stdio: 'ignore', detached: true });
        pulling = child;
        const [code] = await once(child, 'exit');
        if (code !== 0) throw new Error(`podman pull ended with ${code}`);
      },
      isThere: () =>
        podman.call('image', 'exists', reference).then(
          () => true,
          () => false,
        ),
      mount: async () => (await podman.call('image', 'mount', reference)).trim(),
      // Nothing of it runs on, but a pull.
      async kill() {
        const { pid, exitCode, signalCode } = pulling ?? {};
        if (pid === undefined || exitCode !== null || signalCode !== null) return;
        process.kill(-pid, 'SIGKILL');
      },
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

async function untilThere(isThere: () => Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + PULL_TIMEOUT_MS; !(await isThere()); await sleep(POLL_MS)) {
    if (performance.now() > endMs) throw new Error('the image does not come');
  }
}

/** What became of the image; whether another pull makes it whole; and how long the pull took, where it was let end. */
async function cutOnce(
  make: (folder: string, image: Image) => Promise<Peer>,
  image: Image,
  { isCut, afterS, pullMs }: Moment & { pullMs: number },
): Promise<{ outcome: Outcome; isHealed: boolean; ms: number }> {
  await using disk = await mountCutDisk();
  const peer = await make(disk.directory, image);
  await peer.start();
  // What was there before the image is not what is looked at: configurations and empty stores.
  await run('sync', ['--file-system', disk.directory]);
  const startedMs = performance.now();
  const pulling = peer.pull();
  if (afterS === undefined) {
    pulling.catch(() => {});
    await sleep(Math.random() * pullMs);
  } else {
    await pulling;
  }
  const ms = performance.now() - startedMs;
  await sleep((afterS ?? 0) * 1000);
  await peer.kill();
  if (afterS === undefined) await pulling.catch(() => {});
  if (isCut) {
    await disk.cutPower();
    // On a real machine these are in a tmpfs.
    for (const name of ['run', 'tmp']) await rm(join(disk.directory, name), { recursive: true, force: true });
  }
  try {
    await peer.start();
  } catch (error) {
    console.error(`${disk.directory}: ${describeError(error)}`);
    return { outcome: 'the store does not open', isHealed: false, ms };
  }
  try {
    const outcome = await look(peer, image, join(disk.directory, 'target-1'));
    if (outcome === 'whole') return { outcome, isHealed: true, ms };
    await peer.pull().catch(() => {});
    return { outcome, isHealed: (await look(peer, image, join(disk.directory, 'target-2'))) === 'whole', ms };
  } finally {
    await peer.kill();
  }
}

async function look(peer: Peer, image: Image, target: string): Promise<Outcome> {
  try {
    if (!(await peer.isThere())) return 'said to be gone';
    await mkdir(target);
    if (await isWhole(await peer.mount(target), image)) return 'whole';
    console.error(`${target}: other bytes than those of the image`);
  } catch (error) {
    console.error(`${target}: ${describeError(error)}`);
  }
  return 'said to be there, and is not';
}

async function isWhole(root: string, { fileDigest }: Image): Promise<boolean> {
  for (let index = 0; index < LAYERS; index++) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(join(root, `layer-${index}/data`))) hash.update(chunk);
    if (hash.digest('hex') !== fileDigest) return false;
  }
  return true;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '8' }, moment: { type: 'string', default: '' } },
});
const moments = MOMENTS.filter(({ title }, index) => index === 0 || title.includes(values.moment));
const peers = Object.entries(PEERS).filter(([name]) => positionals.every((part) => name.includes(part)));
await using registry = await startDockerRegistry();
const fill = randomBytes(FILE_BYTES);
const { reference } = await pushSmallImage({ host: registry.host }, { layers: LAYERS, bytes: FILE_BYTES, fill });
const fileDigest = createHash('sha256').update(fill).digest('hex');
const image: Image = { registry: registry.host, reference, fileDigest };
const limit = createLimit(AT_ONCE);
const columns = ['moment', ...OUTCOMES, 'not whole after another pull'];
process.stdout.write(`| ${columns.join(' | ')} |\n|${'---|'.repeat(columns.length)}\n`);
for (const [name, make] of peers) {
  let pullMs = 0;
  for (const moment of moments) {
    const oneRound = () => limit(() => cutOnce(make, image, { ...moment, pullMs }));
    const results = await Promise.all(Array.from({ length: Number(values.rounds) }, oneRound));
    if (pullMs === 0) pullMs = results.reduce((sum, { ms }) => sum + ms, 0) / results.length;
    const counts = OUTCOMES.map((outcome) => results.filter((each) => each.outcome === outcome).length);
    const cells = [...counts, results.filter(({ isHealed }) => !isHealed).length];
    process.stdout.write(`| ${name}, ${moment.title} | ${cells.join(' | ')} |\n`);
  }
}
