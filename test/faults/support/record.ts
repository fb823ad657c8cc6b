import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolEnvironment } from '../../support/run.ts';
import { startScriptedRegistry } from '../../support/scripted-registry.ts';
import type { ScenarioOptions } from './crash-scenario.ts';
import type { DiskOperation } from './disk-operations.ts';
import { type FaultImages, putFaultImages } from './fault-images.ts';
import type { Mark } from './promises.ts';
import { readTrace, TRACED_CALLS } from './syscall-trace.ts';

const SCENARIO = join(import.meta.dirname, 'crash-scenario.ts');
/** More than any one write of the scenario. */
const MAX_TEXT_BYTES = 16 * 2 ** 20;

export type Recording = { root: string; operations: readonly DiskOperation[]; images: FaultImages };

/** Runs the scenario under strace and returns all that it did to its data folder. */
export async function record(
  options: Pick<ScenarioOptions, 'seed' | 'clients' | 'steps' | 'rounds'>,
): Promise<Recording> {
  const home = await mkdtemp(join(tmpdir(), 'larder-record-'));
  const registry = await startScriptedRegistry();
  try {
    const images = await putFaultImages(registry);
    const [trace, marks, root] = [join(home, 'trace'), join(home, 'marks'), join(home, 'data')];
    const scenario: ScenarioOptions = {
      ...options,
      dataDirectory: root,
      marks,
      images: images.references,
      missing: images.missing,
    };
    await strace(trace, [SCENARIO, JSON.stringify(scenario)]);
    return { root, images, operations: await readTrace(trace, { root, marks }) };
  } finally {
    await registry[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  }
}

/** Runs Node.js under strace; throws unless it ends well. Its standard error may be an open file. */
export async function strace(
  trace: string,
  args: readonly string[],
  { env = {}, stderr = 'pipe' }: { env?: NodeJS.ProcessEnv; stderr?: number | 'pipe' } = {},
): Promise<void> {
  const options = [
    '--seccomp-bpf',
    '-f',
    '-qq',
    '-y',
    '-xx',
    '-s',
    `${MAX_TEXT_BYTES}`,
    '-e',
    `trace=${TRACED_CALLS}`,
    '-o',
    trace,
  ];
  const child = spawn('strace', [...options, process.execPath, ...args], {
    env: { ...process.env, ...toolEnvironment(), ...env, UV_USE_IO_URING: '0' },
    stdio: ['ignore', 'inherit', stderr],
  });
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`what is recorded ended with ${String(code)}: ${errors}`);
}

/** What the clients had been told before each operation. */
export function marksBefore(operations: readonly DiskOperation[], index: number): Mark[] {
  const marks: Mark[] = [];
  for (const operation of operations.slice(0, index)) {
    if (operation.kind === 'mark') for (const line of operation.text.trim().split('\n')) marks.push(JSON.parse(line));
  }
  return marks;
}
