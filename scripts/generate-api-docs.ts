/**
 * Writes docs/api from the specs of the actions and the rows of the conformance suite; with --check it writes nothing and
 * fails when a document is not what it would write.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { createActions } from '../src/api/index.ts';
import { type Action, ECI_VERSION, ERRORS, type ParamSpecs, type ResultSpecs } from '../src/rpc/index.ts';
import type { Row } from '../test/conformance/row.ts';
import { DUMMY_SERVICES } from '../test/support/dummy-services.ts';

const ROOT = resolve(import.meta.dirname, '..');
const DOCS = join(ROOT, 'docs/api');
const ROWS_FOLDER = 'test/conformance/rows';
const GATEWAY = 'Gateway';
/** Types as a reader of the wire sees them; the rest are called as in the specs. */
const PARAM_TYPES: Readonly<Record<string, string>> = { strings: 'string', objects: 'object' };
const FIELD_TYPES: Readonly<Record<string, string>> = { strings: 'list of strings', objects: 'list of objects' };

type FiledRow = Row & { readonly file: string };

const rows = await readRows();
const actions = [...createActions(DUMMY_SERVICES).values()];
const documents = new Map([
  ['README.md', overview()],
  ['errors.md', errorList()],
  ...actions.map((action): [string, string] => [`${action.name}.md`, describeAction(action)]),
]);
if (process.argv.includes('--check')) check();
else write();

async function readRows(): Promise<FiledRow[]> {
  const files = globSync('*.ts', { cwd: join(ROOT, ROWS_FOLDER) }).filter((file) => file !== 'index.ts');
  const found: FiledRow[] = [];
  for (const file of files.toSorted((a, b) => a.localeCompare(b))) {
    const module: Readonly<Record<string, unknown>> = await import(join(ROOT, ROWS_FOLDER, file));
    for (const list of Object.values(module)) {
      if (Array.isArray(list)) found.push(...list.filter(isRow).map((row) => ({ ...row, file })));
    }
  }
  return found;
}

function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && 'action' in value && 'title' in value && 'run' in value;
}

function overview(): string {
  const list = actions.map(({ name, summary }) => `| [${name}](${name}.md) | ${cell(summary)} |`);
  return page(
    'API',
    `The image-cache API of Elastic Container Instance, version ${ECI_VERSION}, RPC style: \`GET\` or \`POST\` on \`/\`, parameters in the
query, in a form, or in both. Every line below and in the pages of the operations is shown by a test of the conformance
suite (\`npm run test:conformance\`), to which it links. Where the vendor's pages are silent,
[decisions](../decisions/api.md) says what was chosen. [All errors](errors.md).`,
    ['| operation | |', '| --- | --- |', ...list].join('\n'),
    ...(rows.some(({ action }) => action === GATEWAY)
      ? ['## What holds of every call', table('error'), table('format')]
      : []),
  );
}

/** Rows of the gateway, one a line. */
function table(kind: Row['kind']): string {
  const own = rows.filter((row) => row.action === GATEWAY && row.kind === kind);
  const head = kind === 'error' ? ['| error | when |', '| --- | --- |'] : ['| format | what holds |', '| --- | --- |'];
  return [...head, ...own.map((row) => `| \`${row.name}\` | ${link(row)} |`)].join('\n');
}

function errorList(): string {
  const lines = Object.entries(ERRORS).map(([key, [status, message]]) => {
    const [code = key] = key.split(':');
    return `| \`${code}\` | ${status} | ${cell(message)} |`;
  });
  return page(
    'Errors',
    'Every error this API can answer, and some that only the vendor raises. `{Name}` is filled in when it is raised.',
    ['| code | status | message |', '| --- | --- | --- |', ...lines].join('\n'),
  );
}

function describeAction(action: Action): string {
  const {
    name,
    summary,
    version = ECI_VERSION,
    ramAction,
    ramResource = '*',
    params,
    result = {},
    errors = [],
  } = action;
  const facts = [
    `- Version: \`${version}\``,
    ramAction
      ? `- RAM: \`${ramAction}\` on \`acs:eci:{region}:{account}:${ramResource}\``
      : '- RAM: no policy governs it',
  ];
  const other = rows.filter((row) => row.action === name && row.kind === 'format');
  const named = new Set(errors.map((key) => key.split(':')[0] ?? key));
  const tested = rows.filter((row) => row.action === name && row.kind === 'error');
  const codes = [...new Set([...named, ...tested.map((row) => row.name)])];
  return page(
    name,
    summary,
    facts.join('\n'),
    '## Parameters',
    ['| name | type | limits | | tests |', '| --- | --- | --- | --- | --- |', ...paramLines(name, params, '')].join(
      '\n',
    ),
    '## Answer',
    [
      '| field | type | | tests |',
      '| --- | --- | --- | --- |',
      '| `RequestId` | string | Id of the request. | |',
      ...fieldLines(name, result, ''),
    ].join('\n'),
    '## Errors',
    `Beside those [of every call](README.md):`,
    [
      '| code | tests |',
      '| --- | --- |',
      ...codes.map((code) => `| \`${code}\` | ${links(name, 'error', code)} |`),
    ].join('\n'),
    ...(other.length > 0 ? ['## Formats', other.map((row) => `- ${row.name}: ${link(row)}`).join('\n')] : []),
  );
}

function paramLines(action: string, specs: ParamSpecs, prefix: string): string[] {
  return Object.entries(specs).flatMap(([key, spec]) => {
    if (spec.hidden) return [];
    const path = `${prefix}${key}`;
    const shown = spec.type === 'strings' || spec.type === 'objects' ? `${path}.N` : path;
    const limits: string[] = [];
    if (spec.required) limits.push('required');
    if (spec.type === 'integer') limits.push(`${spec.min ?? ''}–${spec.max ?? ''}`);
    if ('maxItems' in spec) limits.push(`up to ${spec.maxItems}`);
    if ('maxLength' in spec && spec.maxLength !== undefined) limits.push(`up to ${spec.maxLength} characters`);
    if ('values' in spec && spec.values) limits.push(spec.values.map((value) => `\`${value}\``).join(', '));
    if ('default' in spec && spec.default !== undefined) limits.push(`default \`${spec.default}\``);
    if (spec.ignored) limits.push('no effect');
    const type = PARAM_TYPES[spec.type] ?? spec.type;
    const doc = spec.example === undefined ? spec.doc : `${spec.doc} Example: \`${spec.example}\`.`;
    const plain = path.replaceAll('.N', '');
    const line = `| \`${shown}\` | ${type} | ${limits.join('; ')} | ${cell(doc)} | ${links(action, 'parameter', plain)} |`;
    return [line, ...(spec.type === 'objects' ? paramLines(action, spec.fields, `${path}.N.`) : [])];
  });
}

function fieldLines(action: string, specs: ResultSpecs, prefix: string): string[] {
  return Object.entries(specs).flatMap(([key, spec]) => {
    const path = `${prefix}${key}`;
    const type = FIELD_TYPES[spec.type] ?? spec.type;
    const doc = `${spec.doc}${spec.optional ? ' May be absent.' : ''}`;
    const line = `| \`${path}\` | ${type} | ${cell(doc)} | ${links(action, 'field', path)} |`;
    return [line, ...('fields' in spec ? fieldLines(action, spec.fields, `${path}.`) : [])];
  });
}

function links(action: string, kind: Row['kind'], name: string): string {
  const own = rows.filter((row) => row.action === action && row.kind === kind && row.name === name);
  return own.map(link).join('; ');
}

function link(row: FiledRow): string {
  return `[${cell(row.title)}](../../${ROWS_FOLDER}/${basename(row.file)})`;
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
}

function page(title: string, ...parts: readonly string[]): string {
  return `${[`# ${title}`, '<!-- Written by scripts/generate-api-docs.ts; change the specs in src/api or the rows in test/conformance instead. -->', ...parts].join('\n\n')}\n`;
}

function check(): void {
  const stale = [...documents].filter(([name, text]) => readOrEmpty(join(DOCS, name)) !== text).map(([name]) => name);
  const extra = globSync('*.md', { cwd: DOCS }).filter((name) => !documents.has(name));
  if (stale.length + extra.length === 0) return;
  console.error(`docs/api is not up to date (${[...stale, ...extra].join(', ')}): run npm run docs:api`);
  process.exitCode = 1;
}

function write(): void {
  rmSync(DOCS, { recursive: true, force: true });
  mkdirSync(DOCS, { recursive: true });
  for (const [name, text] of documents) writeFileSync(join(DOCS, name), text);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
