/** Nothing that an action's spec or a page of the vendor names is without a row. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createActions } from '../../src/api/index.ts';
import type { ParamSpecs, ResultSpecs } from '../../src/rpc/index.ts';
import { DUMMY_SERVICES } from '../support/dummy-services.ts';
import { GATEWAY, testName } from './row.ts';
import { ROWS } from './rows/index.ts';
import { vendorErrors } from './rows/vendor-errors.ts';
import { VENDOR_ERRORS } from './vendor-errors.ts';
import { VENDOR_PAGES } from './vendor-pages.ts';

const actions = [...createActions(DUMMY_SERVICES).values()];
const tableRows = new Set(vendorErrors.map(testName));

function missing(action: string, kind: 'parameter' | 'field' | 'error', names: readonly string[]): string[] {
  const shown = new Set(ROWS.filter((row) => row.kind === kind && row.action === action).map((row) => row.name));
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

for (const { age, action, parameters, fields, errors } of VENDOR_PAGES) {
  test(`${action}: everything on the ${age} page has a row`, () => {
    const none = [
      ...missing(action, 'parameter', parameters),
      ...missing(action, 'field', fields),
      ...missing(action, 'error', errors),
    ];
    assert.deepEqual(none, []);
  });
}

test('every error of the vendor is raised by a row, unless the table says why it never is', () => {
  const raised = new Set(
    ROWS.filter((row) => row.kind === 'error' && !tableRows.has(testName(row))).map(
      ({ action, name }) => `${action}: ${name}`,
    ),
  );
  const expected = Object.entries(VENDOR_ERRORS).flatMap(([action, errors]) =>
    errors.filter(({ never }) => never === undefined).map(({ code }) => `${action}: ${code}`),
  );
  assert.deepEqual(
    expected.filter((name) => !raised.has(name)),
    [],
  );
});

test('an answer and an error have rows for both formats', () => {
  for (const action of [...actions.map(({ name }) => name), GATEWAY]) {
    const formats = new Set(
      ROWS.filter((row) => row.action === action && row.kind === 'format').map(({ name }) => name),
    );
    assert.ok(formats.has('JSON') && formats.has('XML'), action);
  }
});

test('no two rows have the same name, and each is of an action that there is', () => {
  const names = ROWS.map(testName);
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  );
  const known = new Set([GATEWAY, ...actions.map(({ name }) => name)]);
  assert.deepEqual(ROWS.filter(({ action }) => !known.has(action)).map(testName), []);
});
