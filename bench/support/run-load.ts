import { fork } from 'node:child_process';
import { join } from 'node:path';
import { processCpuSeconds } from '../process-cpu.ts';
import type { LoadJob, LoadMessage, LoadResult } from './load-job.ts';

/** The cores of the server and of whoever calls it: neither takes time from the other. */
export const SERVER_CORE = '0';
export const LOAD_CORE = '1';

export type Load = LoadResult & { readonly callsPerSecond: number; readonly cpuMsPerCall: number };

/** Runs a job in a process of its own; the CPU is that of the server while the job was measured. Throws when an answer was no success. */
export async function runLoad(job: LoadJob, serverPid: number): Promise<Load> {
  const worker = fork(join(import.meta.dirname, 'load-worker.ts'), [], {
    execPath: 'taskset',
    execArgv: ['-c', LOAD_CORE, process.execPath],
  });
  let cpuSeconds = 0;
  let result: LoadResult | undefined;
  worker.on('message', (message: LoadMessage) => {
    if (message.type === 'begin') cpuSeconds -= processCpuSeconds(serverPid);
    else if (message.type === 'end') cpuSeconds += processCpuSeconds(serverPid);
    else result = message.result;
  });
  worker.send(job);
  await new Promise<void>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`the load generator ended with ${code}`)),
    );
  });
  if (!result) throw new Error('the load generator said nothing');
  if (result.failures > 0) throw new Error(`${result.failures} of ${result.calls} failed: ${result.firstFailure}`);
  return {
    ...result,
    callsPerSecond: result.calls / result.seconds,
    cpuMsPerCall: (cpuSeconds * 1_000) / result.calls,
  };
}
