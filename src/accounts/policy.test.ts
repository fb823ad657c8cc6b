import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { policies } from '../../test/support/policies.ts';
import { MAX_POLICY_CHARS, parsePolicy, printPolicy } from './policy.ts';
import { SYSTEM_POLICIES } from './system-policies.ts';

const bad = { code: 'accounts.policy' };
const statement = { Effect: 'Allow', Action: 'eci:*', Resource: '*' };
const parse = (document: object) => parsePolicy(JSON.stringify(document));
const parseStatement = (change: object) => parse({ Version: '1', Statement: { ...statement, ...change } });

test('a printed policy reads as the same policy', () => {
  fc.assert(fc.property(policies(), (policy) => assert.deepEqual(parsePolicy(printPolicy(policy), 1e6), policy)));
  for (const policy of SYSTEM_POLICIES.values()) assert.deepEqual(parsePolicy(printPolicy(policy)), policy);
});

test('single values stand for lists of one; numbers and booleans for their text', () => {
  const Condition = { Bool: { 'acs:SecureTransport': true }, NumericEquals: { 'eci:tag/level': [3, '4'] } };
  assert.deepEqual(parseStatement({ Condition }), {
    statements: [
      {
        effect: 'Allow',
        action: { not: false, patterns: ['eci:*'] },
        resource: { not: false, patterns: ['*'] },
        conditions: [
          { operator: 'Bool', key: 'acs:SecureTransport', values: ['true'] },
          { operator: 'NumericEquals', key: 'eci:tag/level', values: ['3', '4'] },
        ],
      },
    ],
  });
});

const REFUSED: Readonly<Record<string, object>> = {
  'another version': { Version: '2', Statement: statement },
  'no version': { Statement: statement },
  'no statement': { Version: '1', Statement: [] },
  'something beside': { Version: '1', Statement: statement, Id: 'x' },
};
const REFUSED_STATEMENTS: Readonly<Record<string, object>> = {
  'no effect': { Effect: undefined },
  'another effect': { Effect: 'allow' },
  'no action': { Action: undefined },
  'an empty list of actions': { Action: [] },
  'both kinds of action': { NotAction: 'eci:*' },
  'an action without a service': { Action: 'DescribeImageCaches' },
  'no resource': { Resource: undefined },
  'both kinds of resource': { NotResource: '*' },
  'a resource of another cloud': { Resource: 'arn:aws:s3:::x' },
  'a principal': { Principal: '*' },
  'an operator that is none': { Condition: { StringIs: { 'acs:UserAgent': 'x' } } },
  'an inherited name as operator': { Condition: { toString: { 'acs:UserAgent': 'x' } } },
  'a misspelt key': { Condition: { StringEquals: { 'acs:UserAgents': 'x' } } },
  'a tag key without a tag': { Condition: { StringEquals: { 'eci:tag/': 'x' } } },
  'no key': { Condition: { StringEquals: { tag: 'x' } } },
  'no value': { Condition: { StringEquals: { 'acs:UserAgent': [] } } },
  'a block that is none': { Condition: { IpAddress: { 'acs:SourceIp': '10.0.0.0/33' } } },
  'a date that is none': { Condition: { DateLessThan: { 'acs:CurrentTime': 'tomorrow' } } },
  'a number that is none': { Condition: { NumericEquals: { 'eci:tag/level': 'three' } } },
  'a boolean that is none': { Condition: { Bool: { 'acs:SecureTransport': 'yes' } } },
};

test('what the language does not have is refused, not passed over', () => {
  for (const [what, document] of Object.entries(REFUSED)) assert.throws(() => parse(document), bad, what);
  for (const [what, change] of Object.entries(REFUSED_STATEMENTS)) {
    assert.throws(() => parseStatement(change), bad, what);
  }
  const hidden = JSON.stringify({ Version: '1', Statement: { ...statement, Condition: { StringEquals: {} } } });
  assert.throws(() => parsePolicy(hidden.replace('{}', '{"__proto__":"x"}')), bad);
  assert.throws(() => parsePolicy('{'), bad);
  assert.throws(
    () => parsePolicy(JSON.stringify({ Version: '1', Statement: statement }).padEnd(MAX_POLICY_CHARS + 1)),
    bad,
  );
});

test('keys and operators of other services may stand', () => {
  assert.ok(parseStatement({ Action: ['oss:GetObject'], Condition: { StringLike: { 'oss:Prefix': 'a/*' } } }));
  assert.ok(parseStatement({ Condition: { StringEquals: { 'ACS:SOURCEIP': 'x', 'acs:ResourceTag/a b': '' } } }));
});
