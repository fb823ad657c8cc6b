import type { Command } from 'commander';
import { LarderError } from '../lib/errors.ts';
import { formatBytes } from '../lib/format.ts';
import { addDataOption } from './account-command.ts';
import { serverDataDirectory } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, plain, printJson, printLine } from './output.ts';

type CheckOptions = { data?: string; deep?: boolean; output: OutputFormat };

export function addCheck(program: Command, io: Io): void {
  const command = program
    .command('check')
    .description("say whether a server's data folder is whole; change nothing (on the server's machine)")
    .option('--deep', 'read every layer and compare its digest, too')
    .addHelpText(
      'after',
      `
Checks that the database is sound, that every sealed secret opens with the key of the server, that every image cache has its
snapshot manifest, and that every layer is there with its size. Works beside a running server and without one.

Exit code 0: no problem. 1: the problems are listed.

Example:
  larder check --deep --output json`,
    );
  addDataOption(command).action(async (options: CheckOptions) => {
    const { checkData } = await import('../server/index.ts');
    const { createByteBar } = await import('./byte-bar.ts');
    const bar = createByteBar(io, 'reading');
    const check = await checkData(await serverDataDirectory(io, options.data), {
      isDeep: options.deep === true,
      signal: io.signal,
      onBytes: (read, total) => bar.show(read, total),
    }).finally(() => bar.stop());
    const { problems, ...counts } = check;
    if (options.output === 'json') {
      printJson(io, {
        Secrets: counts.secrets,
        Snapshots: counts.snapshots,
        Layers: counts.blobs,
        LayerBytes: counts.blobBytes,
        Problems: problems.map(({ what, name, problem }) => ({ What: what, Name: name, Problem: problem })),
      });
    } else {
      for (const { what, name, problem } of problems) printLine(io, plain(`${what} ${name}: ${problem}`));
      const layers = `${counts.blobs} layers (${formatBytes(counts.blobBytes)})`;
      printLine(io, `${counts.secrets} secrets, ${counts.snapshots} snapshots, ${layers}: ${problems.length} problems`);
    }
    if (problems.length > 0) {
      const next =
        'larder scrub and the server repair layers and snapshots; see docs/guides/operations.md for the rest';
      throw new LarderError('cli.check-problems', `${problems.length} problems; ${next}`);
    }
  });
}
