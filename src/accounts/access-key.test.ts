import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { newAccessKeyPair, parseAccessKeyPair } from './access-key.ts';

test('new keys have their form and differ', () => {
  const first = newAccessKeyPair(randomBytes);
  assert.match(first.id, /^LRDR[a-z0-9]{20}$/);
  assert.match(first.secret, /^[a-z0-9]{40}$/);
  assert.deepEqual(parseAccessKeyPair(first.id, first.secret), first);
  assert.notDeepEqual(newAccessKeyPair(randomBytes), first);
});

test('an operator may bring keys of another origin, not any text', () => {
  assert.ok(parseAccessKeyPair('LTAI5tExample0000000000', 'a'.repeat(30)));
  assert.throws(() => parseAccessKeyPair('abc', 'a'.repeat(30)), { code: 'accounts.access-key' });
  assert.throws(() => parseAccessKeyPair('a'.repeat(20), 'short!!'), { code: 'accounts.access-key' });
  assert.throws(() => parseAccessKeyPair('a'.repeat(20), 'with a space in the middle'), {
    code: 'accounts.access-key',
  });
});
