import type { Command } from 'commander';
import { DEFAULT_GC_GRACE_S } from '../config/index.ts';
import { formatBytes } from '../lib/format.ts';
import type { Garbage } from '../server/index.ts';
import { addDataOption } from './account-command.ts';
import { serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';
import { formatTable, type OutputFormat, printJson, printLine } from './output.ts';
import { wholeNumber } from './usage.ts';

type GcOptions = { data?: string; dryRun?: boolean; grace: number; output: OutputFormat };

const WHY: Readonly<Record<Garbage['layers'][number]['why'] | Garbage['kept'][number]['why'], string>> = {
  unused: 'no image cache uses it',
  orphan: 'a file that nothing names',
  attached: 'attached on this machine',
  young: 'newer than the grace period',
};

export function addGc(program: Command, io: Io): void {
  const command = program
    .command('gc')
    .description("remove what no image cache uses (on the server's machine)")
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .option(
      '--grace <seconds>',
      'leave files that nothing names alone until they are so old',
      wholeNumber,
      DEFAULT_GC_GRACE_S,
    )
    .addHelpText(
      'after',
      `
The server does this by itself: at once for what a deleted image cache used, every hour for files that nothing names. Run it
beside the server or without one; what an image cache uses, what a build is about to use, and what is attached on this
machine is never removed.

Example:
  larder gc --dry-run`,
    );
  addDataOption(command).action(async (options: GcOptions) => {
    const { collectNow, openUpkeep } = await import('../server/index.ts');
    const upkeep = await openUpkeep(await serverDataDirectory(io, options.data));
    try {
      const dryRun = options.dryRun === true;
      const garbage = await collectNow(upkeep, { dryRun, graceMs: options.grace * 1000, signal: io.signal });
      if (options.output === 'json') printJson(io, answerOf(garbage, dryRun));
      else showGarbage(io, garbage, dryRun);
    } finally {
      await upkeep.close();
    }
  });
}

function freedBytes({ layers }: Garbage): number {
  return layers.reduce((sum, { bytes }) => sum + bytes, 0);
}

function answerOf(garbage: Garbage, dryRun: boolean): object {
  const show = ({ diffId, bytes, why }: Garbage['layers'][number] | Garbage['kept'][number]) => {
    return { Layer: diffId, Bytes: bytes, Reason: why };
  };
  return {
    DryRun: dryRun,
    FreedBytes: freedBytes(garbage),
    Layers: garbage.layers.map(show),
    Snapshots: garbage.snapshots,
    Kept: garbage.kept.map(show),
  };
}

function showGarbage(io: Io, garbage: Garbage, dryRun: boolean): void {
  const removed = dryRun ? 'would go' : 'removed';
  const rows = [
    ...garbage.layers.map(({ diffId, bytes, why }) => [removed, formatBytes(bytes), diffId, WHY[why]]),
    ...garbage.snapshots.map((id) => [removed, '', id, 'the manifest of no image cache']),
    ...garbage.kept.map(({ diffId, bytes, why }) => ['kept', formatBytes(bytes), diffId, WHY[why]]),
  ];
  if (rows.length > 0) printLine(io, formatTable(rows));
  const counts = `${garbage.layers.length} layers and ${garbage.snapshots.length} snapshot manifests`;
  printLine(io, `${formatBytes(freedBytes(garbage))} in ${counts} ${dryRun ? 'would be freed' : 'freed'}`);
}
