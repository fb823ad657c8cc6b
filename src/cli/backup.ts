import { resolve } from 'node:path';
import type { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { formatBytes } from '../lib/format.ts';
import { addDataOption } from './account-command.ts';
import { serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';

type BackupCommandOptions = { data?: string; withKey?: boolean; withBlobs?: boolean; output: OutputFormat };

export function addBackup(program: Command, io: Io): void {
  const command = program
    .command('backup <file>')
    .description("write a server's state into one file, also while the server runs (on the server's machine)")
    .option('--with-key', 'put the key of the server in as well: whoever has the file then has all secrets')
    .option('--with-blobs', 'put the layers in as well, for registries that may lose them')
    .addHelpText(
      'after',
      `
The file has the database as it is at one instant, with accounts, image caches and snapshot manifests, and the list of all
layers with their digests. Layers that are not in it are rebuilt from their registries after larder restore.
The key of the server, seal.key in its data folder, is NOT in it unless asked for: keep a copy of it elsewhere. Without it the
secrets of access keys in the backup cannot be read.

Example:
  larder backup /backups/larder-2026-03-01.tar`,
    );
  addDataOption(command).action(async (file: string, options: BackupCommandOptions) => {
    const { openDataFolder, VERSION } = await import('../server/index.ts');
    const { writeBackup } = await import('../backup/index.ts');
    const folder = await openDataFolder(await serverDataDirectory(io, options.data));
    const { databasePath, sealKeyPath, directory: dataDirectory } = folder;
    const path = resolve(file);
    const { createByteBar } = await import('./byte-bar.ts');
    const bar = createByteBar(io, 'writing');
    const summary = await writeBackup({
      dataDirectory,
      databasePath,
      sealKeyPath,
      file: path,
      withKey: options.withKey === true,
      withBlobs: options.withBlobs === true,
      version: VERSION,
      nowMs: systemClock.now(),
      signal: io.signal,
      onBytes: (written, total) => bar.show(written, total),
    }).finally(() => bar.stop());
    const { bytes, snapshots, blobs, blobBytes } = summary;
    if (options.output === 'json') {
      const facts = { Bytes: bytes, Snapshots: snapshots, Layers: blobs, LayerBytes: blobBytes };
      printJson(io, { File: path, ...facts, WithKey: options.withKey === true, WithBlobs: options.withBlobs === true });
      return;
    }
    const layers = `${blobs} layers (${formatBytes(blobBytes)}) ${options.withBlobs ? 'included' : 'listed'}`;
    printLine(io, `${path}: ${formatBytes(bytes)}, ${snapshots} image caches, ${layers}`);
    if (!options.withKey) printLine(io, `the key of the server is not in it: keep a copy of ${sealKeyPath}`);
  });
}
