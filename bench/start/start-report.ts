import { readFileSync, writeFileSync } from 'node:fs';
import type { Spread, StartRow } from './start-row.ts';

const BEGIN = '<!-- bench:start -->';
const END = '<!-- /bench:start -->';

/** What the script measured, as `--output json` prints it. */
export type StartReport = {
  readonly image: string;
  readonly blobs: { readonly count: number; readonly bytes: number };
  readonly machine: string;
  readonly rounds: number;
  readonly versions: string;
  readonly rows: readonly StartRow[];
};

/** The report in Markdown. */
export function startTable({ image, blobs, machine, rounds, versions, rows }: StartReport): string {
  const lines = rows.map(({ what, ours, peer, goal, met, note = '' }) => {
    const ratio = peer ? (ours.median / peer.times.median).toFixed(2) : '';
    const verdict = goal === '' || met === undefined ? goal : `${goal}: ${met ? 'met' : '**missed**'}`;
    const against = peer ? `${peer.name}: ${times(peer.times)}` : '';
    return `| ${[what, times(ours), against, ratio, verdict, note].join(' | ')} |`;
  });
  return [
    `\`npm run bench:start\`, ${image} (${blobs.count} layers, ${(blobs.bytes / 1e6).toFixed(0)} MB of blobs), ${rounds} rounds; ${machine}; ${versions}.`,
    'Times are best / median / p99.',
    '',
    '| what | Larder | against | ratio of medians | goal | |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

function times({ best, median, p99, runs }: Spread): string {
  const [unit, divisor, digits] = median < 1000 ? (['ms', 1, 1] as const) : (['s', 1000, 2] as const);
  const shown = [best, median, p99].map((ms) => (ms / divisor).toFixed(digits)).join(' / ');
  return `${shown} ${unit} (${runs})`;
}

/** Puts the table between the two marks of a document. */
export function writeTable(path: string, report: StartReport): void {
  const text = readFileSync(path, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${path} has no ${BEGIN} … ${END}`);
  const table = `${BEGIN}\n${startTable(report)}\n`;
  writeFileSync(path, text.slice(0, begin) + table + text.slice(end));
}
