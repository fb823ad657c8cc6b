import type { Command } from 'commander';
import { parseDescribeAnswer, type ShownCache } from './answers.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { colour, colourStatus, formatTable, type OutputFormat, plain, printJson, printLine } from './output.ts';
import { tagParams } from './tag.ts';
import { addOutputOption, collect } from './usage.ts';

type ListOptions = { name?: string; image?: string; tag?: string[]; match?: string[]; output: OutputFormat };

const HEADER = ['ID', 'NAME', 'STATUS', 'PROGRESS', 'CREATED', 'IMAGES'];
const STATUS_COLUMN = HEADER.indexOf('STATUS');

export function addList(program: Command, io: Io): void {
  const command = program
    .command('list')
    .description('list the image caches, newest first')
    .option('--name <name>', 'only those of this name')
    .option('--image <image>', 'only those with this image: a reference, a repository, or the end of its path')
    .option('--tag <tag>', 'only those with this tag, KEY or KEY=VALUE (repeatable)', collect)
    .option(
      '--match <ref>',
      'only Ready ones that hold this image or another version of it, the best first (repeatable)',
      collect,
    )
    .addHelpText(
      'after',
      '\nWith --output json each page of the answer is one line.\n\nExamples:\n  larder list --image nginx --tag env=prod\n  larder list --match nginx:1.27 --match redis:7\n  larder list --output json | jq -r ".ImageCaches[].ImageCacheId"',
    );
  addOutputOption(command).action(async (options: ListOptions) => {
    const client = await connect(io);
    const filter = filterParams(options);
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

function filterParams({ name, image, tag, match }: ListOptions): Record<string, string> {
  const params: Record<string, string> = tagParams(tag ?? []);
  if (name !== undefined) params.ImageCacheName = name;
  if (image !== undefined) params.Image = image;
  for (const [place, reference] of (match ?? []).entries()) params[`MatchImage.${place + 1}`] = reference;
  return params;
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
