import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { MatchDegree, MatchOutcome } from '../nodes/agent/index.ts';
import { connect } from './connect.ts';
import type { Io } from './io.ts';
import { addNodeDataOption, nodeDataDirectory } from './node-data.ts';
import { colour, formatTable, type OutputFormat, plain, printJson, printLine } from './output.ts';
import { addOutputOption } from './usage.ts';

const COLOURS = { hit: 'green', partial: 'yellow', miss: 'red' } as const satisfies Record<MatchDegree, string>;
const HEADER = ['RESULT', 'IMAGE', 'CACHE', 'NAME', 'HOLDS', 'HERE'];

type Shown = MatchOutcome & { readonly Local: boolean };

export function addNodeMatch(group: Command, io: Io): void {
  const command = group
    .command('match <image...>')
    .description('find the best image cache for each image: hit, partial or miss');
  addOutputOption(addNodeDataOption(command))
    .addHelpText(
      'after',
      `
hit      a Ready cache holds the image in this version
partial  the best cache holds another version of it, so that most layers may be there
miss     no Ready cache holds any version of it
HERE says whether the cache is on this node. The server counts the results, and a hit as a use of the cache.

Example:
  larder node match nginx:1.27 redis:7 --output json | jq -r ".Images[].Result"`,
    )
    .action(async (images: string[], options: { data?: string; output: OutputFormat }) => {
      const client = await connect(io);
      const { matchImage } = await import('../nodes/agent/index.ts');
      const snapshots = join(nodeDataDirectory(io, options.data), 'snapshots');
      const shown: Shown[] = [];
      for (const image of images) {
        const outcome = await matchImage(client, image, io.signal);
        const local = outcome.SnapshotId !== undefined && existsSync(join(snapshots, `${outcome.SnapshotId}.json`));
        shown.push({ ...outcome, Local: local });
      }
      if (options.output === 'json') printJson(io, { Images: shown });
      else printMatches(io, shown);
    });
}

function printMatches(io: Io, shown: readonly Shown[]): void {
  const rows = shown.map((each) =>
    [
      each.Result,
      each.Reference,
      each.ImageCacheId ?? '-',
      each.ImageCacheName ?? '-',
      each.Image ?? '-',
      each.Local ? 'yes' : 'no',
    ].map(plain),
  );
  const paint = (cell: string, row: number, column: number) => {
    if (row === 0) return colour(io, io.stdout, 'bold', cell);
    const result = shown[row - 1]?.Result;
    return column === 0 && result !== undefined ? colour(io, io.stdout, COLOURS[result], cell) : cell;
  };
  printLine(io, formatTable([HEADER, ...rows], paint));
}
