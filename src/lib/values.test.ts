import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { formatTime } from './clock.ts';
import { digestOfHex, hexOf, parseDigest } from './digest.ts';
import { describeError, LarderError } from './errors.ts';
import { formatBytes } from './format.ts';
import { newId } from './ids.ts';

test('digests are read strictly', () => {
  const hex = 'ab'.repeat(32);
  assert.equal(hexOf(parseDigest(`sha256:${hex}`)), hex);
  for (const text of ['', hex, `sha512:${hex}`, `sha256:${hex.toUpperCase()}`, `sha256:../${hex}`, `sha256:${hex}\n`]) {
    assert.throws(() => parseDigest(text), { code: 'digest.invalid' });
  }
  assert.throws(() => digestOfHex('ab'), { code: 'digest.invalid' });
});

test('ids have the form of the API', () => {
  assert.match(newId('imc', randomBytes), /^imc-[a-z0-9]{20}$/);
  assert.notEqual(newId('s', randomBytes), newId('s', randomBytes));
});

test('times are UTC with whole seconds', () => {
  assert.equal(formatTime(1_612_837_447_999), '2021-02-09T02:24:07Z');
});

test('bytes for people', () => {
  assert.deepEqual([0, 999, 1000, 427_123_456, 2e12].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '427.1 MB',
    '2.0 TB',
  ]);
});

test('an error is told with its causes, each once', () => {
  const cause = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  assert.equal(describeError(new LarderError('a.b', 'cannot pull', { cause })), 'cannot pull: connect ECONNREFUSED');
  assert.equal(describeError(new Error('x: y', { cause: new Error('y') })), 'x: y');
  assert.equal(describeError('text'), 'text');
});
