import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { errorCode, LarderError } from '../lib/errors.ts';

export type ToolOptions = {
  cwd?: string;
  /** What the tool reads on standard input; nothing by default. */
  input?: string;
  env?: Readonly<Record<string, string>>;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
};

export type ToolResult = { exitCode: number; stdout: string; stderr: string };

/**
 * Runs a program of the system, without a shell, in the C locale. An exit code other than 0 is a result, not an error.
 * Throws `nodes.tool-missing`, `nodes.tool-timeout`, or the signal's reason.
 */
export async function runTool(command: string, args: readonly string[], options: ToolOptions): Promise<ToolResult> {
  options.signal?.throwIfAborted();
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C', ...options.env },
    signal,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  // A tool that ends without reading its input is no error of ours; its exit code tells.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, killedBy) => resolve(exitCode ?? (killedBy ? 128 : 1)));
  });
  try {
    const [exitCode, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    return { exitCode, stdout, stderr: stderr.trim() };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (timeout.aborted) {
      throw new LarderError('nodes.tool-timeout', `${command} did not end within ${options.timeoutMs / 1000} s`);
    }
    if (errorCode(error) === 'ENOENT') {
      throw new LarderError('nodes.tool-missing', `the program ${command} is not on PATH; install util-linux`, {
        cause: error,
      });
    }
    throw error;
  }
}
