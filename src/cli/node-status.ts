import type { Command } from 'commander';
import { formatBytes } from '../lib/format.ts';
import type { AgentStatus } from '../nodes/agent/index.ts';
import type { Io } from './io.ts';
import { addNodeDataOption, nodeDataDirectory } from './node-data.ts';
import { colour, formatTable, type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

const HEADER = ['ID', 'NAME', 'STATE', 'BLOBS', 'SIZE', 'IMAGES'];
const STATE_COLUMN = HEADER.indexOf('STATE');

export function addNodeStatus(group: Command, io: Io): void {
  const command = group.command('status').description('show what the agent of this machine has and fetches');
  addOutputOption(addNodeDataOption(command))
    .addHelpText('after', '\nExample:\n  larder node status --output json | jq ".Caches[].State"')
    .action(async (options: { data?: string; output: OutputFormat }) => {
      const { createAgentClient } = await import('../nodes/agent/index.ts');
      const status = await createAgentClient(nodeDataDirectory(io, options.data), io.signal).status();
      if (options.output === 'json') printJson(io, status);
      else printStatus(io, status);
    });
}

function printStatus(io: Io, status: AgentStatus): void {
  const contact = status.LastContactTime === undefined ? 'never reached' : `last reached ${status.LastContactTime}`;
  const server =
    status.Server === 'reachable'
      ? colour(io, io.stdout, 'green', 'reachable')
      : colour(io, io.stdout, 'yellow', status.Server);
  printLine(io, `Server  ${plain(status.Endpoint)}: ${server}, ${contact}`);
  if (status.ServerError !== undefined)
    printLine(io, `        ${colour(io, io.stdout, 'red', plain(status.ServerError))}`);
  printLine(
    io,
    `Data    ${status.DataDirectory}: ${status.BlobCount} ${status.BlobCount === 1 ? 'blob' : 'blobs'}, ${formatBytes(status.BlobBytes)}`,
  );
  for (const name of status.Missing)
    printLine(io, colour(io, io.stdout, 'yellow', plain(`No image cache matches ${name}`)));
  if (status.Caches.length === 0) {
    printLine(io, 'no image caches here');
    return;
  }
  printLine(io);
  const rows = status.Caches.map((cache) => [
    cache.ImageCacheId,
    cache.ImageCacheName || '-',
    stateText(cache),
    String(cache.Blobs),
    formatBytes(cache.Bytes),
    cache.Images.join(' '),
  ]);
  const paint = (cell: string, row: number, column: number) => {
    if (row === 0) return colour(io, io.stdout, 'bold', cell);
    return column === STATE_COLUMN ? colourState(io, status.Caches[row - 1]?.State, cell) : cell;
  };
  printLine(io, formatTable([HEADER, ...rows.map((row) => row.map(plain))], paint));
  const errors = status.Caches.filter(({ Error: error }) => error !== undefined);
  if (errors.length > 0) printLine(io);
  for (const { ImageCacheId, Error: error } of errors) printLine(io, plain(`${ImageCacheId}: ${error}`));
}

type CacheState = AgentStatus['Caches'][number];

function stateText({ State, Bytes, LocalBytes }: CacheState): string {
  if (State !== 'fetching') return State;
  return Bytes === 0 ? State : `${State} ${Math.floor((LocalBytes / Bytes) * 100)}%`;
}

function colourState(io: Io, state: CacheState['State'] | undefined, cell: string): string {
  if (state === 'local') return colour(io, io.stdout, 'green', cell);
  return colour(io, io.stdout, state === 'failed' ? 'red' : 'yellow', cell);
}
