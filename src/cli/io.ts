import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../config/index.ts';

export type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Everything a command touches outside its arguments, so that tests run commands without a process. */
export type Io = {
  stdin: Readable & { readonly isTTY?: boolean };
  stdout: Terminal;
  stderr: Terminal;
  env: Environment;
  /** Aborts when the user, or the service manager, wants the command to end. */
  signal: AbortSignal;
};

/** Exit code of a command that Ctrl-C ended, as shells have it: 128 + SIGINT. */
export const EXIT_INTERRUPTED = 130;

/** The process as {@link Io}. The first SIGINT or SIGTERM asks for a clean end, a second one ends the process at once. */
export function processIo(): Io {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    signal: controller.signal,
  };
}
