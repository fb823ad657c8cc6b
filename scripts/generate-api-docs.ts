/**
 * Writes docs/api from the specs of the actions and the rows of the conformance suite; with --check it writes nothing and
 * fails when a document is not what it would write.
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createActions } from '../src/api/index.ts';
import { type Action, ECI_VERSION, ERRORS, type ResultSpecs } from '../src/rpc/index.ts';
import { FIELDS } from '../test/conformance/field-types.ts';
import { GATEWAY } from '../test/conformance/row.ts';
import { DUMMY_SERVICES } from '../test/support/dummy-services.ts';
import { cell, linkTo, readRows, table } from './api-docs/rows.ts';
import { codeOf, tablesOf } from './api-docs/tables.ts';

const ROOT = resolve(import.meta.dirname, '..');
const DOCS = join(ROOT, 'docs/api');
const NOTE =
  '<!-- Written by scripts/generate-api-docs.ts; change the specs in src/api or the rows in test/conformance instead. -->';
const REQUEST_ID = {
  type: 'string',
  doc: 'Id of the request.',
  example: '39FC2E43-3DD7-4CEF-9EF4-E4AD6E635301',
} as const;

const rows = await readRows(ROOT);
const actions = [...createActions(DUMMY_SERVICES).values()];
const documents = new Map([
  ['README.md', overview()],
  ['errors.md', errorList()],
  ...actions.map((action): [string, string] => [`${action.name}.md`, describeAction(action)]),
]);
if (process.argv.includes('--check')) check();
else write();

function overview(): string {
  const gateway = tablesOf(GATEWAY, rows);
  return page(
    'API',
    `The image-cache API of Elastic Container Instance, version ${ECI_VERSION}, RPC style: \`GET\` or \`POST\` on \`/\`, parameters in the
query, in a form, or in both. Every line below and in the pages of the operations is shown by a test of the conformance
suite (\`npm run test:conformance\`), to which it links: the text of a link is the last part of the test's name. Where the
vendor's pages are silent, [decisions](../decisions/api.md) says what was chosen. [All errors](errors.md).`,
    table(
      ['operation', ''],
      actions.map(({ name, summary }) => [`[${name}](${name}.md)`, cell(summary)]),
    ),
    'The column _vendor’s pages_ says where a point stands: on the `oldest` page that there is (of DescribeImageCaches, about 2021), on the `newest` page of the operation, or, when it is empty, on none.',
    '## What holds of every call',
    '### Parameters and headers',
    gateway.byName('parameter'),
    '### Order of checks',
    'Of several things that are wrong with a call the first of these is reported:',
    rows
      .filter((row) => row.action === GATEWAY && row.kind === 'order')
      .map((row) => `1. ${linkTo(row)}`)
      .join('\n'),
    '### Errors',
    gateway.errors([]),
    'The fields of an error:',
    gateway.fields({ RequestId: REQUEST_ID, ...errorFields() }),
    '### Formats',
    gateway.byName('format'),
  );
}

/** No spec has the fields of an error: they are those that the suite knows. */
function errorFields(): ResultSpecs {
  const names = Object.keys(FIELDS[GATEWAY]?.newest ?? {}).filter((name) => name !== 'RequestId');
  return Object.fromEntries(names.map((name) => [name, { type: 'string', doc: '' }]));
}

function errorList(): string {
  const lines = Object.entries(ERRORS).map(([key, [status, message]]) => [
    `\`${codeOf(key)}\``,
    String(status),
    cell(message),
  ]);
  return page(
    'Errors',
    'Every error this API can answer, and some that only the vendor raises; the pages of the operations say which and why. `{Name}` is filled in when it is raised.',
    table(['code', 'status', 'message'], lines),
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
  const tables = tablesOf(name, rows);
  const rights = ramAction
    ? `- RAM: \`${ramAction}\` on \`acs:eci:{region}:{account}:${ramResource}\``
    : '- RAM: no policy governs it';
  return page(
    name,
    summary,
    `- Version: \`${version}\`\n${rights}`,
    '## Parameters',
    tables.parameters(params),
    '## Answer',
    tables.fields({ RequestId: REQUEST_ID, ...result }),
    '## Errors',
    'Beside those [of every call](README.md#errors):',
    tables.errors(errors),
    '## Formats',
    tables.byName('format'),
  );
}

function page(title: string, ...parts: readonly string[]): string {
  return `${[`# ${title}`, NOTE, ...parts].join('\n\n')}\n`;
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
