import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { toolEnvironment } from '../../test/support/run.ts';

const TIMEOUT_MS = 600_000;
const SHOWN_CHARS = 4000;

export type TimedRun = {
  /** From the start of the program to its end. */
  readonly wallMs: number;
  /** To the first byte on its standard output; undefined when it printed nothing. */
  readonly firstOutputMs: number | undefined;
  readonly output: string;
};

/** Runs a program to its end; throws with its standard error when it fails. */
export async function runTimed(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<TimedRun> {
  const startedMs = performance.now();
  const child: ChildProcess = spawn(command, args, {
    env: options.env ?? toolEnvironment(),
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  let [output, complaint] = ['', ''];
  let firstOutputMs: number | undefined;
  let wallMs = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    firstOutputMs ??= performance.now() - startedMs;
    output += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-SHOWN_CHARS);
  });
  child.once('exit', () => {
    wallMs = performance.now() - startedMs;
  });
  await once(child, 'close');
  if (child.exitCode === 0) return { wallMs, firstOutputMs, output };
  throw new Error(`${command} ${args.join(' ')} failed (${child.signalCode ?? child.exitCode}): ${complaint}`);
}

/** Lets contenders take turns, in an order that turns from round to round; what each gives, in ms, in its order. */
export async function takeTurns(
  contenders: Readonly<Record<string, () => Promise<number>>>,
  rounds: number,
): Promise<Record<string, number[]>> {
  const order = Object.entries(contenders);
  const times: Record<string, number[]> = Object.fromEntries(order.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, contender] of order) times[name]?.push(await contender());
    order.push(...order.splice(0, 1));
  }
  return times;
}
