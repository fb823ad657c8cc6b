import type { Io, Terminal } from './io.ts';

export type OutputFormat = 'text' | 'json';

/** One answer of the API, in its own field names, on a line of its own. */
export function printJson(io: Io, answer: unknown): void {
  io.stdout.write(`${JSON.stringify(answer)}\n`);
}

export function printLine(io: Io, text = ''): void {
  io.stdout.write(`${text}\n`);
}

export type Colour = 'red' | 'green' | 'yellow' | 'dim' | 'bold';
const SGR: Record<Colour, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

/** Colours the text on a terminal, unless `NO_COLOR` is set (no-color.org). */
export function colour(io: Io, terminal: Terminal, name: Colour, text: string): string {
  return terminal.isTTY && !io.env.NO_COLOR ? `\u001b[${SGR[name]}m${text}\u001b[0m` : text;
}

/** What a status is to the eye. */
export function colourStatus(io: Io, status: string, text = status): string {
  if (status === 'Ready') return colour(io, io.stdout, 'green', text);
  if (status === 'Failed' || status === 'UpdateFailed') return colour(io, io.stdout, 'red', text);
  return colour(io, io.stdout, 'yellow', text);
}

/** Control characters of a server's text never reach the terminal. */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

/** Columns as wide as their widest cell; the last is left ragged. `paint` colours a cell after it is padded. */
export function formatTable(
  rows: readonly (readonly string[])[],
  paint = (cell: string, _row: number, _column: number) => cell,
): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows
    .map((row, place) =>
      row
        .map((cell, column) =>
          paint(column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0), place, column),
        )
        .join('  '),
    )
    .join('\n');
}
