import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { toolEnvironment } from './run.ts';

const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 20;
const MAX_LOG_CHARS = 1 << 20;

/** A child process that can be killed and started again. */
export type Restartable = {
  log(): string;
  start(): Promise<void>;
  /** SIGKILL by default. */
  end(signal?: NodeJS.Signals): Promise<void>;
};

/** A program that is not started yet. */
export function restartable(
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
