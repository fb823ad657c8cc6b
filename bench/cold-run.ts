import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { run, toolEnvironment } from '../test/support/run.ts';

/** One measured run: wall time, and CPU time of all processes that did the work. */
export type Measurement = { wallSeconds: number; cpuSeconds: number };

/** Writes back everything that is dirty and drops the page cache, so that every contender starts from the same state. */
export async function dropCaches(): Promise<void> {
  await run('sync', []);
  writeFileSync('/proc/sys/vm/drop_caches', '3');
}

/**
 * Runs a command, then `sync`: the work counts when it is on the disk. CPU is what the kernel counted for the command, its
 * waited-for children and the sync.
 */
export async function measureCommand(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Measurement> {
  // bash's `times` counts the children after they ended; its own share is a few milliseconds.
  const script = '"$@" >/dev/null || exit; sync; times';
  const started = performance.now();
  const child = spawn('bash', ['-c', script, 'bash', command, ...args], {
    env: { ...toolEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  await once(child, 'close');
  const wallSeconds = (performance.now() - started) / 1000;
  if (child.exitCode !== 0) throw new Error(`${command} failed (${child.exitCode}): ${stderr().slice(-4000)}`);
  return { wallSeconds, cpuSeconds: sumTimes(stdout()) };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = '';
  stream.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return () => text;
}

/** `times` prints user and system time of the shell and of its children, as `0m1.234s`. */
function sumTimes(text: string): number {
  const times = [...text.matchAll(/(\d+)m([\d.]+)s/g)];
  if (times.length !== 4) throw new Error(`unexpected output of times: ${text}`);
  return times.reduce((total, [, minutes, seconds]) => total + Number(minutes) * 60 + Number(seconds), 0);
}
