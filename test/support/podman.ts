import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, toolEnvironment } from './run.ts';

/** Debian's crun does not start on hosts with both cgroup versions; hosts may allow less than Podman's default limits. */
const RUN_OPTIONS = ['--pull=never', '--runtime=runc', '--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024'];
const TIMEOUT_MS = 180_000;

export type Podman = {
  /** Storage of its own. */
  graphRoot: string;
  /** With which other programs read the same storage.conf. */
  env: NodeJS.ProcessEnv;
  /** Runs `podman ARGS…` and returns what it prints. */
  call(...args: string[]): Promise<string>;
  /** `podman run` without network and without ever pulling; options first. */
  run(...args: string[]): Promise<string>;
  /** The same for `podman create`. */
  create(...args: string[]): Promise<string>;
  /** Ends its containers; its folder can be removed then. */
  close(): Promise<void>;
};

/** The machine's Podman with storage, state and storage.conf in a folder; `stores` are its additional image stores. */
export function createPodman(folder: string, stores: readonly string[]): Podman {
  const graphRoot = join(folder, 'root');
  mkdirSync(graphRoot, { recursive: true });
  const config = join(folder, 'storage.conf');
  const lines = [
    '[storage]',
    'driver = "overlay"',
    `graphroot = "${graphRoot}"`,
    `runroot = "${join(folder, 'run')}"`,
    '[storage.options]',
    `additionalimagestores = [${stores.map((store) => `"${store}"`).join(', ')}]`,
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const env = { ...toolEnvironment(), CONTAINERS_STORAGE_CONF: config };
  const call = (...args: string[]) =>
    run('podman', ['--tmpdir', join(folder, 'tmp'), ...args], { env, timeoutMs: TIMEOUT_MS });
  return {
    graphRoot,
    env,
    call,
    run: (...args) => call('run', ...RUN_OPTIONS, '--network=none', ...args),
    create: (...args) => call('create', ...RUN_OPTIONS, '--network=none', ...args),
    async close() {
      await call('rm', '--all', '--force', '--time=0').catch(() => {});
      // Podman mounts its overlay folder on itself.
      await run('umount', [join(graphRoot, 'overlay')]).catch(() => {});
    },
  };
}
