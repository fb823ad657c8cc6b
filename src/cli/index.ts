import { CommanderError } from 'commander';
import { describeError, LarderError } from '../lib/errors.ts';
import { EXIT_INTERRUPTED, type Io } from './io.ts';
import { colour, plain } from './output.ts';
import { createProgram } from './program.ts';

export { type Io, processIo } from './io.ts';

/** Codes of errors that are wrong usage, found after the arguments were parsed. */
const USAGE_CODES = new Set(['cli.usage', 'config.invalid']);

/** Runs the command line without its first two words; gives the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    await createProgram(io).parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has printed its help, version or complaint; help that was asked for is no mistake.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (io.signal.aborted) return EXIT_INTERRUPTED;
    io.stderr.write(`${colour(io, io.stderr, 'red', 'larder:')} ${plain(describeError(error))}\n`);
    return error instanceof LarderError && USAGE_CODES.has(error.code) ? 2 : 1;
  }
}
