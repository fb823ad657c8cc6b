import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContainerdRelease, commandOf, containerdVersion, MAIN_CONTAINERD } from './containerd-releases.ts';
import { type Restartable, restartable } from './restartable.ts';
import { run, toolEnvironment } from './run.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const CTR_TIMEOUT_MS = 120_000;
const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 20;

const PLATFORM = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;

/** The snapshotter of Kubernetes, as docs/guides/containerd.md has it; for containerd 1.x and 2.x. */
function criOf1(snapshotter: string): string[] {
  return [
    `[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "${snapshotter}"
  disable_snapshot_annotations = false`,
  ];
}

function criOf2(snapshotter: string): string[] {
  return [
    `[plugins."io.containerd.cri.v1.images"]
  snapshotter = "${snapshotter}"`,
    ...[snapshotter, 'erofs'].map(
      (each) => `[[plugins."io.containerd.transfer.v1.local".unpack_config]]
  platform = "${PLATFORM}"
  snapshotter = "${each}"
  differ = "walking"`,
    ),
  ];
}

export type Snapshotter = Restartable & { socket: string; stateDirectory: string };

/** `larder node containerd` as a real child process. */
export function createSnapshotter(options: {
  home: string;
  dataDirectory: string;
  args?: readonly string[];
}): Snapshotter {
  const { home, dataDirectory, args = [] } = options;
  const socket = join(home, 'larder.sock');
  const stateDirectory = join(home, 'state');
  const own = ['node', 'containerd', '--socket', socket, '--data', dataDirectory, '--state', stateDirectory];
  const child = restartable(process.execPath, [MAIN, ...own, ...args], () => listens(socket));
  return { ...child, socket, stateDirectory };
}

export type Containerd = Restartable & {
  address: string;
  /** Runs `ctr ARGS…` and returns what it prints. */
  ctr(...args: string[]): Promise<string>;
  /** The ctr that belongs to it. */
  ctrCommand: string;
  /** Waits until it has found the snapshotter again; it tries every 3 seconds. */
  untilConnected(): Promise<void>;
};

/** A containerd with folders of its own and larder as a proxy snapshotter, which its CRI part uses. */
export async function createContainerd(options: {
  home: string;
  snapshotterSocket: string;
  release?: ContainerdRelease;
  /** A store of layers that its EROFS snapshotter is to use; from containerd 2.4 on. */
  layerContentCache?: string;
  /** What its CRI part and, from containerd 2 on, `ctr images pull` may unpack into. */
  snapshotter?: string;
}): Promise<Containerd> {
  const { home, snapshotterSocket, release = MAIN_CONTAINERD, layerContentCache, snapshotter = 'larder' } = options;
  const address = join(home, 'c.sock');
  const config = join(home, 'containerd.toml');
  await mkdir(home, { recursive: true });
  const { major } = await containerdVersion(release);
  const sections = [
    `version = ${major < 2 ? 2 : 3}`,
    `root = "${join(home, 'root')}"`,
    `state = "${join(home, 'run')}"`,
    `[grpc]\n  address = "${address}"`,
    `[ttrpc]\n  address = "${address}.ttrpc"`,
    `[plugins."io.containerd.internal.v1.opt"]\n  path = "${join(home, 'opt')}"`,
    `[proxy_plugins.larder]\n  type = "snapshot"\n  address = "${snapshotterSocket}"`,
    ...(major < 2 ? criOf1(snapshotter) : criOf2(snapshotter)),
  ];
  if (layerContentCache !== undefined) {
    sections.push(`[plugins."io.containerd.snapshotter.v1.erofs"]\n  layer_content_caches = ["${layerContentCache}"]`);
  }
  await writeFile(config, `${sections.join('\n')}\n`);
  const command = (name: string) => commandOf(release, name);
  const env = toolEnvironment();
  // Its own shim comes first.
  if (release.binaries !== undefined) env.PATH = `${release.binaries}:${env.PATH}`;
  const ctr = (...args: string[]) =>
    run(command('ctr'), ['--address', address, ...args], { timeoutMs: CTR_TIMEOUT_MS, env });
  const isReady = () =>
    ctr('version').then(
      () => true,
      () => false,
    );
  const child = restartable(command('containerd'), ['--config', config], isReady, env);
  async function untilConnected(): Promise<void> {
    // Lists of a namespace without snapshots are answered without asking it.
    const snapshots = (...args: string[]) =>
      ctr('--namespace', 'probe', 'snapshots', '--snapshotter', 'larder', ...args);
    const deadlineMs = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      try {
        await snapshots('prepare', 'probe');
        await snapshots('rm', 'probe');
        return;
      } catch (error) {
        if (Date.now() > deadlineMs) throw error;
        await sleep(READY_POLL_MS);
      }
    }
  }
  return { ...child, address, ctr, ctrCommand: command('ctr'), untilConnected };
}

async function listens(socket: string): Promise<boolean> {
  return readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .some((line) => line.endsWith(` ${socket}`));
}

/** What is mounted below a folder, in the order of mounting. */
export function mountsBelow(folder: string): string[] {
  const paths = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '');
  return paths.filter((path) => path.startsWith(`${folder}/`));
}

/** Unmounts everything below a folder. */
export function unmountBelow(folder: string): void {
  const paths = mountsBelow(folder).toReversed();
  if (paths.length > 0) execFileSync('umount', ['-l', ...paths]);
}

/** Makes the one mount that `ctr snapshots mounts` prints, with paths shortened as containerd does (mount/mount_linux.go). */
export async function mountPrinted(command: string, target: string): Promise<void> {
  const match = /^mount -t (\S+) (\S+) \S+ -o (\S+)$/.exec(command.trim());
  const [, type = '', source = '', options = ''] = match ?? [];
  const lowers = /(?<=lowerdir=)[^,]+/.exec(options)?.[0];
  const cwd = lowers === undefined ? '/' : dirname(lowers.split(':')[0] ?? '');
  const short = lowers === undefined ? options : options.replace(lowers, lowers.replaceAll(`${cwd}/`, ''));
  // fsconfig(2), which newer util-linux prefers, takes at most 255 bytes per option.
  const env = { ...toolEnvironment(), LIBMOUNT_FORCE_MOUNT2: 'always' };
  await run('mount', ['-t', type, '-o', short, source, target], { cwd, env });
}
