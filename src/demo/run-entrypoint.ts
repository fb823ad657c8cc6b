import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { z } from 'zod';
import { LarderError } from '../lib/errors.ts';

/** An entry point that serves for ever is shown for this long. */
const RUN_TIMEOUT_MS = 10_000;
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The part of an image config (image-spec config.md) that says what to run. */
const configSchema = z.object({
  config: z
    .object({
      Entrypoint: z.array(z.string()).nullish(),
      Cmd: z.array(z.string()).nullish(),
      Env: z.array(z.string()).nullish(),
      WorkingDir: z.string().nullish(),
    })
    .nullish(),
});

/** The command line of an image; empty when it names none. */
export function entrypointOf(config: string): { command: string[]; env: string[]; workingDirectory: string } {
  const { config: run } = configSchema.parse(JSON.parse(config));
  return {
    command: [...(run?.Entrypoint ?? []), ...(run?.Cmd ?? [])],
    env: run?.Env ?? [],
    workingDirectory: run?.WorkingDir || '/',
  };
}

/**
 * Runs an image's entry point with its mounted root as the root directory, in namespaces of its own: no network, no processes
 * but its own. Gives the exit code, or undefined when it was still running at the time limit and was ended.
 * This is no sandbox for hostile images: the program runs as root.
 */
export async function runEntrypoint(options: {
  root: string;
  config: string;
  onLine: (line: string) => void;
  signal: AbortSignal;
}): Promise<number | undefined> {
  const { command, env, workingDirectory } = entrypointOf(options.config);
  const namespaces = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child'];
  const child = spawn('unshare', [...namespaces, `--root=${options.root}`, `--wd=${workingDirectory}`, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A later PATH of the image wins.
    env: Object.fromEntries([DEFAULT_PATH, ...env].map((text) => splitOnce(text))),
  });
  const timeout = AbortSignal.timeout(RUN_TIMEOUT_MS);
  const stop = AbortSignal.any([options.signal, timeout]);
  const kill = () => child.kill('SIGKILL');
  stop.addEventListener('abort', kill, { once: true });
  try {
    if (stop.aborted) kill();
    const ended = once(child, 'close');
    await Promise.all([forEachLine(child.stdout, options.onLine), forEachLine(child.stderr, options.onLine), ended]);
    options.signal.throwIfAborted();
    return timeout.aborted ? undefined : (child.exitCode ?? 1);
  } catch (error) {
    options.signal.throwIfAborted();
    throw new LarderError('demo.run-failed', `can't run ${command[0]} in ${options.root}`, { cause: error });
  } finally {
    stop.removeEventListener('abort', kill);
  }
}

async function forEachLine(stream: Readable, onLine: (line: string) => void): Promise<void> {
  let rest = '';
  for await (const chunk of stream.setEncoding('utf8')) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  }
  if (rest !== '') onLine(rest);
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
