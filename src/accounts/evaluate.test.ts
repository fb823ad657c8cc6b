import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { policies } from '../../test/support/policies.ts';
import { normaliseConditionKey } from './condition-keys.ts';
import { evaluate, type PolicyRequest, preparePolicy } from './evaluate.ts';
import { type Policy, parsePolicy } from './policy.ts';
import { SYSTEM_POLICIES } from './system-policies.ts';

const ARN = 'acs:eci:cn-hangzhou:1000000000000001:imagecache/';
const prepared = (policy: Policy, name = 'p') => preparePolicy(name, policy);
const statements = (...Statement: object[]) => prepared(parsePolicy(JSON.stringify({ Version: '1', Statement })));
const allow = (Action: string, rest: object = {}) => ({ Effect: 'Allow', Action, Resource: '*', ...rest });
const deny = (Action: string, rest: object = {}) => ({ ...allow(Action, rest), Effect: 'Deny' });
const account = (...list: ReturnType<typeof prepared>[]) => ({ identity: { account: list, resourceGroup: [] } });

function requestOf(action: string, keys: Record<string, string> = {}, resource = `${ARN}imc-1`): PolicyRequest {
  const entries = Object.entries(keys).map(([key, value]) => [normaliseConditionKey(key), value] as const);
  return { action, resource, conditionKeys: new Map(entries) };
}

const requests: fc.Arbitrary<PolicyRequest> = fc
  .tuple(
    fc.constantFrom('eci:DescribeImageCaches', 'eci:DeleteImageCache', 'oss:GetObject'),
    fc.constantFrom('imc-1', 'imc-2', '*'),
    fc.constantFrom({}, { 'acs:SourceIp': '10.0.1.1' }, { 'eci:tag/env': 'a', 'acs:CurrentTime': '2030-01-02' }),
  )
  .map(([action, id, keys]) => requestOf(action, keys, ARN + id));

const EVERYTHING = prepared({ statements: [...(SYSTEM_POLICIES.get('AdministratorAccess')?.statements ?? [])] });

test('whatever the policies, a denial that matches wins, and nothing is allowed without an allowance', () => {
  const lists = fc.array(policies(), { maxLength: 3 });
  fc.assert(
    fc.property(
      lists,
      lists,
      fc.option(policies(), { nil: undefined }),
      requests,
      (atAccount, inGroup, session, request) => {
        const ready = (list: Policy[]) => list.map((policy) => prepared(policy));
        const sets = [ready(atAccount), ready(inGroup)];
        const matching = (effect: string) => (policy: ReturnType<typeof prepared>) =>
          policy.statements.some((statement) => statement.effect === effect && statement.matches(request));
        const limit = session && prepared(session);
        const all = [...sets.flat(), ...(limit ? [limit] : [])];
        const expected =
          !all.some(matching('Deny')) && sets.flat().some(matching('Allow')) && (!limit || matching('Allow')(limit));
        const [accountLevel = [], resourceGroup = []] = sets;
        const set = { identity: { account: accountLevel, resourceGroup }, ...(limit ? { session: limit } : {}) };
        const denial = evaluate(set, request);
        assert.equal(denial === undefined, expected);
        assert.equal(denial?.noPermissionType === 'ExplicitDeny', denial?.statement !== undefined);
      },
    ),
  );
});

test('the order of policies and statements does not matter', () => {
  fc.assert(
    fc.property(fc.array(policies(), { maxLength: 4 }), requests, (list, request) => {
      const backwards = list.map(({ statements: each }) => prepared({ statements: each.toReversed() })).toReversed();
      const one = evaluate(account(...list.map((policy) => prepared(policy))), request);
      assert.equal(one?.noPermissionType, evaluate(account(...backwards), request)?.noPermissionType);
    }),
  );
});

test('the account itself may do everything, unless its session’s policy says otherwise', () => {
  assert.equal(evaluate({}, requestOf('eci:DeleteImageCache')), undefined);
  const session = statements(allow('eci:Describe*'));
  assert.equal(evaluate({ session }, requestOf('eci:DescribeImageCaches')), undefined);
  assert.deepEqual(evaluate({ session }, requestOf('eci:DeleteImageCache')), {
    policyType: 'SessionPolicy',
    noPermissionType: 'ImplicitDeny',
  });
});

test('the answer names the level, the kind and, for a denial, the statement', () => {
  const request = requestOf('eci:DeleteImageCache');
  const denying = preparePolicy(
    'no',
    parsePolicy(JSON.stringify({ Version: '1', Statement: [allow('*'), deny('eci:Delete*')] })),
  );
  const explicit = { noPermissionType: 'ExplicitDeny', statement: { policy: 'no', index: 1 } };
  const implicit = { noPermissionType: 'ImplicitDeny' };
  const [all, none] = [[EVERYTHING], [statements(allow('oss:*'))]];
  const verdict = (...levels: (typeof all)[]) => {
    const [accountLevel = [], resourceGroup = []] = levels;
    return evaluate({ identity: { account: accountLevel, resourceGroup } }, request);
  };
  assert.deepEqual(verdict(), { policyType: 'AccountLevelIdentityBasedPolicy', ...implicit });
  assert.deepEqual(verdict(none, none), { policyType: 'ResourceGroupLevelIdentityBasedPolicy', ...implicit });
  assert.deepEqual(verdict([denying], all), { policyType: 'AccountLevelIdentityBasedPolicy', ...explicit });
  assert.deepEqual(verdict(all, [denying]), { policyType: 'ResourceGroupLevelIdentityBasedPolicy', ...explicit });
  assert.equal(verdict(none, all), undefined);
  assert.equal(verdict(all, none), undefined);
  const session = { session: denying, identity: { account: all, resourceGroup: [] } };
  assert.deepEqual(evaluate(session, request), { policyType: 'SessionPolicy', ...explicit });
});

test('actions are compared without regard to case, resources with', () => {
  const allowed = (statement: object, request: PolicyRequest) => !evaluate(account(statements(statement)), request);
  assert.ok(allowed(allow('ECI:describe*'), requestOf('eci:DescribeImageCaches')));
  assert.ok(allowed(allow('eci:*', { Resource: `${ARN}imc-?` }), requestOf('eci:X')));
  assert.ok(!allowed(allow('eci:*', { Resource: `${ARN}IMC-1` }), requestOf('eci:X')));
  assert.ok(
    !allowed(allow('eci:*', { Resource: `${ARN}imc-1` }), requestOf('eci:X', {}, `${ARN}*`)),
    'a * in a request is no wildcard',
  );
  const others = { Effect: 'Allow', NotAction: 'eci:Delete*', NotResource: `${ARN}imc-2` };
  assert.ok(allowed(others, requestOf('eci:X')));
  assert.ok(!allowed(others, requestOf('eci:DeleteImageCache')));
  assert.ok(!allowed(others, requestOf('eci:X', {}, `${ARN}imc-2`)));
});

test('all keys and operators of a condition must hold; keys without regard to case, but tags with', () => {
  const Condition = {
    StringEquals: { 'ACS:useragent': 'x', 'eci:tag/Env': 'prod' },
    Bool: { 'acs:SecureTransport': 'true' },
  };
  const verdict = (keys: Record<string, string>) =>
    evaluate(account(statements(allow('*', { Condition }))), requestOf('eci:X', keys));
  const all = { 'acs:UserAgent': 'x', 'eci:tag/Env': 'prod', 'acs:SecureTransport': 'true' };
  assert.equal(verdict(all), undefined);
  assert.ok(verdict({ ...all, 'acs:SecureTransport': 'false' }));
  assert.ok(verdict({ ...all, 'eci:tag/Env': 'test' }));
  const { 'eci:tag/Env': _, ...without } = all;
  assert.ok(verdict({ ...without, 'eci:tag/env': 'prod' }));
});
