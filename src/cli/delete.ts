import type { Command } from 'commander';
import { describeError, LarderError } from '../lib/errors.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

export function addDelete(program: Command, io: Io): void {
  const command = program
    .command('delete <id...>')
    .description('delete image caches, also those under way')
    .addHelpText('after', '\nExample:\n  larder delete imc-2zeditzeoemfhqor4rf8 imc-2zedoh9kfhvz1ruja7xk');
  addOutputOption(command).action(async (ids: string[], options: { output: OutputFormat }) => {
    const client = await connect(io);
    const failures: unknown[] = [];
    // One that fails doesn't keep the others.
    for (const id of ids) {
      try {
        const answer = await client.call('DeleteImageCache', { ImageCacheId: id }, { signal: io.signal });
        if (options.output === 'json') printJson(io, answer);
        else printLine(io, `${id} deleted`);
      } catch (error) {
        io.signal.throwIfAborted();
        failures.push(error);
        if (ids.length > 1) io.stderr.write(`larder: ${id}: ${describeError(error)}\n`);
      }
    }
    if (failures.length === 0) return;
    if (ids.length === 1) throw failures[0];
    throw new LarderError('cli.delete-failed', `${failures.length} of ${ids.length} were not deleted`);
  });
}
