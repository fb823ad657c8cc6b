import { execFile } from 'node:child_process';

const DEFAULT_TIMEOUT_MS = 10 * 60_000;
const MAX_OUTPUT_BYTES = 256 << 20;
const SHOWN_STDERR_CHARS = 4000;

export type RunOptions = {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  timeoutMs?: number;
};

/** Where administration tools live, which are not on every user's PATH. */
const SYSTEM_FOLDERS = '/usr/local/sbin:/usr/sbin:/sbin';

/** The environment for system tools: a PATH with the administration tools, messages in English. */
export function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env.PATH ?? ''}:${SYSTEM_FOLDERS}`, LC_ALL: 'C.UTF-8' };
}

/** Runs a program to its end and returns its standard output as bytes; throws with its standard error when it fails. */
export function runForBytes(command: string, args: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const { cwd, env = toolEnvironment(), timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    execFile(
      command,
      args,
      { cwd, env, timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: MAX_OUTPUT_BYTES, encoding: 'buffer' },
      (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        const shown = `${stdout.toString().slice(-SHOWN_STDERR_CHARS)}${stderr.toString().slice(-SHOWN_STDERR_CHARS)}`;
        reject(new Error(`${command} ${args.join(' ')} failed (${error.signal ?? error.code}): ${shown}`));
      },
    );
  });
}

/** Like {@link runForBytes}, as text. */
export async function run(command: string, args: readonly string[], options?: RunOptions): Promise<string> {
  return (await runForBytes(command, args, options)).toString();
}
