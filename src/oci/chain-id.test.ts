import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { digestOfHex } from '../lib/digest.ts';
import { chainIds } from './chain-id.ts';

test('a chainID is made of the one below and the diffID', () => {
  const [a, b, c] = ['aa', 'bb', 'cc'].map((byte) => digestOfHex(byte.repeat(32)));
  assert.ok(a && b && c);
  const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const second = sha256(`${a} ${b}`);
  assert.deepEqual(chainIds([a, b, c]), [a, second, sha256(`${second} ${c}`)]);
  assert.deepEqual(chainIds([]), []);
});
