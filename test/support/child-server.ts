import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isListening } from './port-owner.ts';
import { toolEnvironment } from './run.ts';

const READY_TIMEOUT_MS = 20_000;
const READY_POLL_MS = 20;
const STOP_TIMEOUT_MS = 20_000;
const MAX_LOG_CHARS = 1 << 20;

export type ChildServer = {
  pid: number;
  /** What it printed so far (both streams, the newest 1 Mi characters). */
  log(): string;
  /** Asks it to end (SIGTERM), waits, and returns its exit code; null when a signal ended it. */
  stop(): Promise<number | null>;
  /** Ends it at once (SIGKILL). */
  kill(): Promise<void>;
};

export type ChildServerOptions = {
  command: string;
  args: readonly string[];
  /** Ready when it listens on this URL's port, and answers with a status below 500. */
  readyUrl: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
};

/** Starts a server as a child process and waits until it answers; throws with its output when it doesn't. */
export async function startChildServer(options: ChildServerOptions): Promise<ChildServer> {
  const { command, args, readyUrl, cwd, env } = options;
  const child = spawn(command, args, {
    cwd,
    env: { ...toolEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const collect = (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-MAX_LOG_CHARS);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  await once(child, 'spawn');
  // The child must not outlive a test run that ends early.
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  child.once('exit', () => process.removeListener('exit', killAtExit));
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} did not start`);
  await waitUntilReady(child, readyUrl, () => log);
  return {
    pid,
    log: () => log,
    async stop() {
      const code = await end(child, 'SIGTERM');
      if (code === 'timeout') throw new Error(`${command} did not end on SIGTERM:\n${log.slice(-4000)}`);
      return code;
    },
    async kill() {
      await end(child, 'SIGKILL');
    },
  };
}

async function waitUntilReady(child: ChildProcess, readyUrl: string, log: () => string): Promise<void> {
  const port = Number(new URL(readyUrl).port);
  const deadlineMs = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadlineMs && child.exitCode === null && child.signalCode === null) {
    if (isListening(child.pid ?? 0, port) && (await answers(readyUrl))) return;
    await sleep(READY_POLL_MS);
  }
  child.kill('SIGKILL');
  throw new Error(
    `${child.spawnfile} did not become ready at ${readyUrl} (exit ${child.exitCode}):\n${log().slice(-4000)}`,
  );
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    return response.status < 500;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null | 'timeout'> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = once(child, 'exit');
  child.kill(signal);
  const timeout = new AbortController();
  const result = await Promise.race([
    exited.then(() => child.exitCode),
    sleep(STOP_TIMEOUT_MS, 'timeout' as const, { signal: timeout.signal }).catch(() => 'timeout' as const),
  ]);
  timeout.abort();
  if (result === 'timeout') child.kill('SIGKILL');
  return result;
}
