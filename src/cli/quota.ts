import type { Command } from 'commander';
import { parseUsageAnswer } from './answers.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { type OutputFormat, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

export function addQuota(program: Command, io: Io): void {
  const command = program.command('quota').description('show how many image caches there are and may be in the region');
  addOutputOption(command).action(async ({ output }: { output: OutputFormat }) => {
    const client = await connect(io);
    const answer = await client.call('ListUsage', {}, { signal: io.signal });
    if (output === 'json') return printJson(io, answer);
    const { UsedImageCacheCount, MaxImageCacheCount } = parseUsageAnswer(answer).Attributes;
    printLine(io, `${UsedImageCacheCount} of ${MaxImageCacheCount} image caches`);
  });
}
