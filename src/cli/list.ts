import type { Command } from 'commander';
import { parseDescribeAnswer, type ShownCache } from './answers.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { colour, colourStatus, formatTable, type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

const HEADER = ['ID', 'NAME', 'STATUS', 'PROGRESS', 'CREATED', 'IMAGES'];
const STATUS_COLUMN = HEADER.indexOf('STATUS');

export function addList(program: Command, io: Io): void {
  const command = program
    .command('list')
    .description('list the image caches, newest first')
    .option('--name <name>', 'only those of this name')
    .addHelpText(
      'after',
      '\nExamples:\n  larder list\n  larder list --output json | jq -r ".ImageCaches[].ImageCacheId"',
    );
  addOutputOption(command).action(async (options: { name?: string; output: OutputFormat }) => {
    const client = await connect(io);
    const filter: Record<string, string> = options.name === undefined ? {} : { ImageCacheName: options.name };
    const caches: ShownCache[] = [];
    for (let token: string | undefined = ''; token !== undefined; ) {
      const params: Record<string, string> = token === '' ? filter : { ...filter, NextToken: token };
      const answer = await client.call('DescribeImageCaches', params, { signal: io.signal });
      if (options.output === 'json') printJson(io, answer);
      const page = parseDescribeAnswer(answer);
      caches.push(...page.ImageCaches);
      token = page.NextToken || undefined;
    }
    if (options.output === 'text') printCaches(io, caches);
  });
}

function printCaches(io: Io, caches: readonly ShownCache[]): void {
  if (caches.length === 0) {
    printLine(io, 'no image caches; make one with: larder create NAME --image REF --wait');
    return;
  }
  const rows = caches.map((cache) => [
    cache.ImageCacheId,
    cache.ImageCacheName,
    cache.Status,
    cache.Progress,
    cache.CreationTime,
    cache.Images.join(' '),
  ]);
  const paint = (cell: string, row: number, column: number) => {
    if (row === 0) return colour(io, io.stdout, 'bold', cell);
    return column === STATUS_COLUMN ? colourStatus(io, cell.trimEnd(), cell) : cell;
  };
  printLine(io, formatTable([HEADER, ...rows.map((row) => row.map(plain))], paint));
}
