import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, toolEnvironment } from './run.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const CTR_TIMEOUT_MS = 120_000;
const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 20;
const MAX_LOG_CHARS = 1 << 20;

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

/** A child process that can be killed and started again. */
export type Restartable = {
  log(): string;
  start(): Promise<void>;
  /** SIGKILL by default. */
  end(signal?: NodeJS.Signals): Promise<void>;
};

function restartable(
  command: string,
  args: readonly string[],
  isReady: () => Promise<boolean>,
  env = toolEnvironment(),
): Restartable {
  let child: ChildProcess | undefined;
  let log = '';
  return {
    log: () => log,
    async start() {
      const started = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      const collect = (chunk: Buffer) => {
        log = (log + chunk.toString()).slice(-MAX_LOG_CHARS);
      };
      started.stdout.on('data', collect);
      started.stderr.on('data', collect);
      const killAtExit = () => started.kill('SIGKILL');
      process.once('exit', killAtExit);
      started.once('exit', () => process.removeListener('exit', killAtExit));
      const deadlineMs = Date.now() + READY_TIMEOUT_MS;
      while (started.exitCode === null && started.signalCode === null) {
        if (await isReady()) return;
        if (Date.now() > deadlineMs) break;
        await sleep(READY_POLL_MS);
      }
      started.kill('SIGKILL');
      throw new Error(`${command} did not become ready (exit ${started.exitCode}):\n${log.slice(-4000)}`);
    },
    async end(signal = 'SIGKILL') {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    },
  };
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

/** A folder with containerd 2.4 or later, its ctr and shim, which Debian does not have yet: tests then run with those. */
export const OTHER_BINARIES = process.env.LARDER_TEST_CONTAINERD;

/** Debian's containerd with folders of its own and larder as a proxy snapshotter, which its CRI part uses. */
export async function createContainerd(options: {
  home: string;
  snapshotterSocket: string;
  /** Another containerd than that on PATH. */
  binaries?: string | undefined;
  /** A store of layers that its EROFS snapshotter is to use; from containerd 2.4 on. */
  layerContentCache?: string;
  /** What its CRI part and, from containerd 2 on, `ctr images pull` may unpack into. */
  snapshotter?: string;
}): Promise<Containerd> {
  const { home, snapshotterSocket, binaries = OTHER_BINARIES, layerContentCache, snapshotter = 'larder' } = options;
  const address = join(home, 'c.sock');
  const config = join(home, 'containerd.toml');
  await mkdir(home, { recursive: true });
  const sections = [
    `version = ${binaries === undefined ? 2 : 3}`,
    `root = "${join(home, 'root')}"`,
    `state = "${join(home, 'run')}"`,
    `[grpc]\n  address = "${address}"`,
    `[ttrpc]\n  address = "${address}.ttrpc"`,
    `[plugins."io.containerd.internal.v1.opt"]\n  path = "${join(home, 'opt')}"`,
    `[proxy_plugins.larder]\n  type = "snapshot"\n  address = "${snapshotterSocket}"`,
    ...(binaries === undefined ? criOf1(snapshotter) : criOf2(snapshotter)),
  ];
  if (layerContentCache !== undefined) {
    sections.push(`[plugins."io.containerd.snapshotter.v1.erofs"]\n  layer_content_caches = ["${layerContentCache}"]`);
  }
  await writeFile(config, `${sections.join('\n')}\n`);
  const command = (name: string) => (binaries === undefined ? name : join(binaries, name));
  const env = toolEnvironment();
  // Its own shim comes first.
  if (binaries !== undefined) env.PATH = `${binaries}:${env.PATH}`;
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
