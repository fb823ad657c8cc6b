import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../../test/conformance/row.ts';

const ROWS_FOLDER = 'test/conformance/rows';

/** A row with the file that it stands in. */
export type FiledRow = Row & { readonly file: string };

/** Every row of the conformance suite, by file and in the order of the file; the tests are not run. */
export async function readRows(root: string): Promise<FiledRow[]> {
  const files = globSync('*.ts', { cwd: join(root, ROWS_FOLDER) }).filter((file) => file !== 'index.ts');
  const found: FiledRow[] = [];
  for (const file of files.toSorted()) {
    const module: Readonly<Record<string, unknown>> = await import(join(root, ROWS_FOLDER, file));
    for (const list of Object.values(module)) {
      if (Array.isArray(list)) found.push(...list.filter(isRow).map((row) => ({ ...row, file })));
    }
  }
  return found;
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && 'action' in value && 'title' in value && 'run' in value;
}

/** A row as a link from a document in docs/api to its file; the title is the last part of the test's name. */
export function linkTo(row: FiledRow): string {
  return `[${cell(row.title)}](../../${ROWS_FOLDER}/${row.file})`;
}

/** Text within a cell of a table; what would be taken for markup is escaped. */
export function cell(text: string): string {
  return text.replace(/[|<>[\]]/g, String.raw`\$&`).replaceAll(/\s*\n\s*/g, ' ');
}

/** A table, or nothing when it has no lines. */
export function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  if (lines.length === 0) return '';
  const all = [head, head.map(() => '---'), ...lines];
  return all.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
