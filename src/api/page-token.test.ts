import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { newId } from '../lib/ids.ts';
import { formatPageToken, parsePageToken } from './page-token.ts';

test('a token is read back as the position it was made of', () => {
  fc.assert(
    fc.property(fc.nat({ max: 4_102_444_800_000 }), (createdAtMs) => {
      const position = { createdAtMs, id: newId('imc', randomBytes) };
      assert.deepEqual(parsePageToken(formatPageToken(position)), position);
    }),
  );
});

test('junk is no token', () => {
  fc.assert(fc.property(fc.string(), (text) => parsePageToken(text) === null));
});
