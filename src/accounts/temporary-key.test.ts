import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { parseAccessKeyPair } from './access-key.ts';
import { checkName, checkPolicyName, newAccountId, newIdentityId, principalArn } from './identity.ts';
import { checkTokenSeconds, MAX_TOKEN_SECONDS, MIN_TOKEN_SECONDS, newTemporaryKeyPair } from './temporary-key.ts';

test('temporary keys have their form and differ', () => {
  const first = newTemporaryKeyPair(randomBytes);
  assert.match(first.id, /^STS\.[a-z0-9]{25}$/);
  assert.match(first.securityToken, /^[A-Za-z0-9+/]{128}$/);
  assert.deepEqual(parseAccessKeyPair(first.id, first.secret), { id: first.id, secret: first.secret });
  assert.notEqual(newTemporaryKeyPair(randomBytes).securityToken, first.securityToken);
});

test('they last between the limits', () => {
  for (const seconds of [MIN_TOKEN_SECONDS, MAX_TOKEN_SECONDS]) assert.equal(checkTokenSeconds(seconds), seconds);
  for (const seconds of [MIN_TOKEN_SECONDS - 1, MAX_TOKEN_SECONDS + 1, 1000.5, Number.NaN]) {
    assert.throws(() => checkTokenSeconds(seconds), { code: 'accounts.token-duration' });
  }
});

test('ids and ARNs have the vendor’s forms', () => {
  const accountId = newAccountId(randomBytes);
  assert.match(accountId, /^1\d{15}$/);
  assert.match(newIdentityId('user', randomBytes), /^2\d{17}$/);
  assert.match(newIdentityId('role', randomBytes), /^3\d{17}$/);
  assert.equal(principalArn('1'), 'acs:ram::1:root');
  assert.equal(principalArn('1', { type: 'role', name: 'ci' }), 'acs:ram::1:role/ci');
});

test('names can stand in an ARN and on a command line', () => {
  assert.equal(checkName('a user', 'ci.bot_1@corp'), 'ci.bot_1@corp');
  for (const name of ['', '-x', 'a b', 'a/b', 'a:b', 'a*', 'x'.repeat(65)]) {
    assert.throws(() => checkName('a user', name), { code: 'accounts.name' });
  }
  assert.throws(() => checkPolicyName('a.b'), { code: 'accounts.name' });
});
