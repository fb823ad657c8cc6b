import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { describeError } from '../lib/errors.ts';
import type { Io } from './io.ts';
import { type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption, usageError } from './usage.ts';

type RestoreCommandOptions = { data: string; key?: string; output: OutputFormat };

export function addRestore(program: Command, io: Io): void {
  const command = program
    .command('restore <file>')
    .description('make a data folder from a backup')
    .requiredOption('--data <dir>', 'the new data folder: missing or empty')
    .option('--key <file>', 'the key of the server (seal.key), where it is not in the backup')
    .addHelpText(
      'after',
      `
Run it as the user that will run larder serve. All sums are checked before the folder becomes a data folder. Layers that are
not in the backup are rebuilt from their registries once larder serve runs; larder describe shows how far it is.

Example:
  larder restore /backups/larder-2026-03-01.tar --data /srv/larder --key /safe/seal.key
  larder serve --data /srv/larder`,
    );
  addOutputOption(command).action(async (file: string, options: RestoreCommandOptions) => {
    const { restoreBackup } = await import('../backup/index.ts');
    const dataDirectory = resolve(options.data);
    const { createByteBar } = await import('./byte-bar.ts');
    const bar = createByteBar(io, 'reading');
    const summary = await restoreBackup({
      file: resolve(file),
      dataDirectory,
      signal: io.signal,
      onBytes: (read, total) => bar.show(read, total),
      ...(options.key === undefined ? {} : { sealKey: await readKey(options.key) }),
    }).finally(() => bar.stop());
    const { about, hasKey, snapshots, blobs, missingBlobs } = summary;
    if (options.output === 'json') {
      const facts = { CreatedAt: about.createdAt, Snapshots: snapshots, Layers: blobs, LayersToRebuild: missingBlobs };
      printJson(io, { DataDirectory: dataDirectory, ...facts, HasKey: hasKey });
      return;
    }
    const layers = `${blobs} layers restored, ${missingBlobs} to be rebuilt by larder serve`;
    printLine(io, plain(`${dataDirectory} is as it was at ${about.createdAt}: ${snapshots} image caches, ${layers}`));
    if (!hasKey) printLine(io, `put the key of the server at ${dataDirectory}/seal.key before it starts`);
  });
}

async function readKey(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw usageError(`--key: ${describeError(error)}`);
  }
}
