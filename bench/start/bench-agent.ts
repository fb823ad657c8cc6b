import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentClient, createAgentClient } from '../../src/nodes/agent/index.ts';
import { ACCESS_KEY, REGION_ID } from '../../test/support/larder-server.ts';
import type { StartBench } from './start-bench.ts';

export const MAIN = join(import.meta.dirname, '../../src/main.ts');
const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

export type BenchAgent = AsyncDisposable & { readonly pid: number; readonly client: AgentClient };

/** The environment of commands on a node. */
export function nodeEnvironment({ server }: Pick<StartBench, 'server'>): NodeJS.ProcessEnv {
  return {
    ...process.env,
    LARDER_ENDPOINT: `http://${server.endpoint}`,
    LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
    LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
    LARDER_REGION: REGION_ID,
  };
}

/** `larder node run` on a data folder of its own, which has the image when this returns. */
export async function startBenchAgent(bench: StartBench, data: string): Promise<BenchAgent> {
  const choice = ['--cache', bench.cacheId, '--server-data', bench.server.dataDirectory];
  const child = spawn(process.execPath, [MAIN, 'node', 'run', '--data', data, ...choice, '--log-level', 'warn'], {
    env: nodeEnvironment(bench),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  const killAtExit = () => child.kill('SIGKILL');
  process.once('exit', killAtExit);
  const stop = async () => {
    process.removeListener('exit', killAtExit);
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  const client = createAgentClient(data, new AbortController().signal);
  const isReady = () =>
    client.status().then(
      ({ Caches }) => Caches.some(({ State }) => State === 'local'),
      () => false,
    );
  for (const deadlineMs = Date.now() + READY_TIMEOUT_MS; !(await isReady()); await sleep(POLL_MS)) {
    if (Date.now() < deadlineMs && child.exitCode === null) continue;
    await stop();
    throw new Error('larder node run did not fetch the image');
  }
  return { pid: child.pid ?? 0, client, [Symbol.asyncDispose]: stop };
}
