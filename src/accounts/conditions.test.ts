import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { OPERATORS, VALUES, valuesOf } from '../../test/support/policies.ts';
import { type ConditionOperator, isConditionOperator, prepareCondition } from './conditions.ts';

const holds = (operator: ConditionOperator, values: string[], actual?: string) =>
  prepareCondition({ operator, key: 'acs:UserAgent', values })(actual);

/** Operator, value in the policy, and values in requests that it is true and false for. */
const TABLE: readonly (readonly [ConditionOperator, string, string[], string[]])[] = [
  ['StringEquals', 'Ab', ['Ab'], ['ab', 'A', '']],
  ['StringEqualsIgnoreCase', 'Ab', ['Ab', 'aB'], ['a', '']],
  ['StringLike', 'a*c?', ['acd', 'abbbcd'], ['ac', 'Acd']],
  ['NumericEquals', '10', ['10', '10.0', '1e1'], ['11', '', 'ten', '0xa', ' 10']],
  ['NumericLessThan', '10', ['9', '-1'], ['10', '11', '', 'nine']],
  ['NumericLessThanEquals', '10', ['9', '10'], ['11', '']],
  ['NumericGreaterThan', '10', ['10.5'], ['10', '9', '']],
  ['NumericGreaterThanEquals', '10', ['10', '11'], ['9', '']],
  ['DateEquals', '2030-01-01T08:00:00+08:00', ['2030-01-01T00:00:00Z', '2030-01-01'], ['2030-01-01T08:00:00Z', '']],
  ['DateLessThan', '2030-01-01', ['2029-12-31T23:59:59Z'], ['2030-01-01T00:00:00Z', '', 'never']],
  ['DateLessThanEquals', '2030-01-01', ['2030-01-01T00:00:00Z'], ['2030-01-01T00:00:01Z', '']],
  ['DateGreaterThan', '2030-01-01', ['2030-01-01T00:00:01Z'], ['2030-01-01T00:00:00Z', '']],
  ['DateGreaterThanEquals', '2030-01-01', ['2030-01-01T00:00:00Z'], ['2029-12-31T23:59:59Z', '']],
  ['Bool', 'true', ['true', 'True'], ['false', '', '1']],
  ['IpAddress', '10.0.0.0/8', ['10.1.2.3', '::ffff:10.1.2.3'], ['11.0.0.1', '', 'x']],
];
const NEGATIONS: readonly (readonly [ConditionOperator, ConditionOperator])[] = [
  ['StringEquals', 'StringNotEquals'],
  ['StringEqualsIgnoreCase', 'StringNotEqualsIgnoreCase'],
  ['StringLike', 'StringNotLike'],
  ['NumericEquals', 'NumericNotEquals'],
  ['DateEquals', 'DateNotEquals'],
  ['IpAddress', 'NotIpAddress'],
];

test('every operator, by example', () => {
  for (const [operator, value, yes, no] of TABLE) {
    for (const actual of yes) assert.equal(holds(operator, [value], actual), true, `${operator} ${value} ${actual}`);
    for (const actual of no) assert.equal(holds(operator, [value], actual), false, `${operator} ${value} ${actual}`);
    assert.equal(holds(operator, [value]), false, `${operator} of a key that is absent`);
  }
  const tested = [...TABLE.map(([operator]) => operator), ...NEGATIONS.map(([, negation]) => negation)];
  assert.deepEqual(tested.toSorted(), [...OPERATORS].toSorted(), 'all of them');
});

test('a negation holds exactly when its operator does not', () => {
  const actual = fc.option(fc.oneof(...Object.values(VALUES)), { nil: undefined });
  for (const [operator, negation] of NEGATIONS) {
    fc.assert(
      fc.property(fc.array(valuesOf(operator), { minLength: 1 }), actual, (values, text) => {
        assert.equal(holds(negation, values, text), !holds(operator, values, text));
      }),
    );
  }
});

test('less is the opposite of greater or equal, of numbers and dates', () => {
  for (const kind of ['Numeric', 'Date'] as const) {
    const value = valuesOf(`${kind}Equals`);
    fc.assert(
      fc.property(value, value, (policy, actual) => {
        assert.notEqual(
          holds(`${kind}LessThan`, [policy], actual),
          holds(`${kind}GreaterThanEquals`, [policy], actual),
        );
        assert.notEqual(
          holds(`${kind}GreaterThan`, [policy], actual),
          holds(`${kind}LessThanEquals`, [policy], actual),
        );
      }),
    );
  }
});

test('one of several values is enough, and for a negation none may match', () => {
  assert.equal(holds('StringEquals', ['a', 'b'], 'b'), true);
  assert.equal(holds('StringNotEquals', ['a', 'b'], 'b'), false);
  assert.equal(holds('StringNotEquals', ['a', 'b'], 'c'), true);
});

test('only operators are operators', () => {
  for (const name of OPERATORS) assert.ok(isConditionOperator(name));
  for (const name of ['Null', 'StringEqualsIfExists', 'stringEquals', 'toString'])
    assert.ok(!isConditionOperator(name));
});
