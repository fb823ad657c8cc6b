/** Nothing that an action's spec or a page of the vendor names is without a row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createActions } from '../../src/api/index.ts';
import type { ParamSpecs, ResultSpecs } from '../../src/rpc/index.ts';
import { DUMMY_SERVICES } from '../support/dummy-services.ts';
import { testName } from './row.ts';
import { ROWS } from './rows/index.ts';
import { NEWEST_PAGES, OLDEST_PAGE } from './vendor-pages.ts';

/** What holds of every call may be shown by a row of the gateway. */
const GATEWAY = 'Gateway';
const actions = [...createActions(DUMMY_SERVICES).values()];

function missing(action: string, kind: 'parameter' | 'field' | 'error', names: readonly string[]): string[] {
  const own = ROWS.filter(
    (row) => row.kind === kind && (row.action === action || (kind === 'error' && row.action === GATEWAY)),
  );
  const shown = new Set(own.map((row) => row.name));
  return names.filter((name) => !shown.has(name)).map((name) => `${action}: ${kind} ${name}`);
}

/** Leaves by dot path; what only wraps them needs no row of its own. */
function leaves(specs: ParamSpecs | ResultSpecs, prefix = ''): string[] {
  return Object.entries(specs).flatMap(([name, spec]) =>
    'fields' in spec ? leaves(spec.fields, `${prefix}${name}.`) : [`${prefix}${name}`],
  );
}

for (const action of actions) {
  test(`${action.name}: every parameter, field and error of the spec has a row`, () => {
    const errors = (action.errors ?? []).map((key) => key.split(':')[0] ?? key);
    const none = [
      ...missing(action.name, 'parameter', leaves(action.params)),
      ...missing(action.name, 'field', leaves(action.result ?? {})),
      ...missing(action.name, 'error', errors),
    ];
    assert.deepEqual(none, []);
  });
}

for (const [label, page] of [
  ['oldest', OLDEST_PAGE] as const,
  ...NEWEST_PAGES.map((each) => ['newest', each] as const),
]) {
  test(`${page.action}: everything on the ${label} page has a row`, () => {
    const none = [
      ...missing(page.action, 'parameter', page.parameters),
      ...missing(
        page.action,
        'field',
        page.fields.filter((name) => !isWrapper(name, page.fields)),
      ),
      ...missing(page.action, 'error', page.errors),
    ];
    assert.deepEqual(none, []);
  });
}

test('no two rows have the same name, and each is of an action that there is', () => {
  const names = ROWS.map(testName);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  const known = new Set([GATEWAY, ...actions.map(({ name }) => name)]);
  assert.deepEqual(ROWS.filter(({ action }) => !known.has(action)).map(testName), []);
});

function isWrapper(name: string, fields: readonly string[]): boolean {
  return fields.some((field) => field.startsWith(`${name}.`));
}
