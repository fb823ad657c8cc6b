import type { Command } from 'commander';
import { LarderError } from '../lib/errors.ts';
import { parseDescribeAnswer, type ShownCache } from './answers.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { colour, colourStatus, formatTable, type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

export function addDescribe(program: Command, io: Io): void {
  const command = program
    .command('describe <id>')
    .description('show one image cache with its events')
    .addHelpText('after', '\nExample:\n  larder describe imc-2zeditzeoemfhqor4rf8');
  addOutputOption(command).action(async (id: string, options: { output: OutputFormat }) => {
    const client = await connect(io);
    const answer = await client.call('DescribeImageCaches', { ImageCacheId: id }, { signal: io.signal });
    const [cache] = parseDescribeAnswer(answer).ImageCaches;
    if (options.output === 'json') printJson(io, answer);
    if (!cache) throw new LarderError('cli.cache-missing', `no image cache ${id}; larder list shows those there are`);
    if (options.output === 'text') printCache(io, cache);
  });
}

function printCache(io: Io, cache: ShownCache): void {
  const fields: [string, string | undefined][] = [
    ['Id', cache.ImageCacheId],
    ['Name', cache.ImageCacheName],
    ['Status', `${cache.Status} ${cache.Progress}`],
    ['Region', cache.RegionId],
    ['Size', cache.ImageCacheSize === undefined ? undefined : `${cache.ImageCacheSize} GiB`],
    ['Created', cache.CreationTime],
    ['Expires', cache.ExpireDateTime],
    ['Snapshot', cache.SnapshotId],
    ['Build', cache.ContainerGroupId],
    ...cache.Images.map((image): [string, string] => ['Image', image]),
  ];
  const shown = fields.flatMap(([name, value]) => (value ? [[name, plain(value)]] : []));
  printLine(
    io,
    formatTable(shown, (cell, row, column) => {
      if (column === 0) return colour(io, io.stdout, 'dim', cell);
      return shown[row]?.[0] === 'Status' ? colourStatus(io, cache.Status, cell) : cell;
    }),
  );
  if (cache.Events.length === 0) return;
  const events = cache.Events.map((event) => {
    return [event.LastTimestamp, event.Type, event.Reason, `×${event.Count}`, event.Message].map(plain);
  });
  printLine(io);
  const paint = (cell: string, row: number) =>
    cache.Events[row]?.Type === 'Warning' ? colour(io, io.stdout, 'yellow', cell) : cell;
  printLine(io, formatTable(events, paint));
}
