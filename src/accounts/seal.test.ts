import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createSealer, SEAL_KEY_BYTES } from './seal.ts';

const key = randomBytes(SEAL_KEY_BYTES);
const sealer = createSealer(key, 'test', randomBytes);
const broken = { name: 'LarderError', code: 'accounts.seal-broken' };
// Lone surrogates have no UTF-8 form; secrets arrive as UTF-8.
const text = fc.string({ unit: 'grapheme' });

test('what is sealed opens again', () => {
  fc.assert(fc.property(text, (secret) => assert.equal(sealer.open(sealer.seal(secret)), secret)));
});

test('any flipped bit is refused', () => {
  fc.assert(
    fc.property(text, fc.nat(), fc.integer({ min: 0, max: 7 }), (secret, at, bit) => {
      const prefix = 'larder:v1:';
      const bytes = Buffer.from(sealer.seal(secret).slice(prefix.length), 'base64url');
      const index = at % bytes.length;
      bytes.writeUInt8(bytes.readUInt8(index) ^ (1 << bit), index);
      assert.throws(() => sealer.open(prefix + bytes.toString('base64url')), broken);
    }),
  );
});

test('any changed, added or missing character is refused', () => {
  fc.assert(
    fc.property(fc.nat(), fc.string({ maxLength: 2 }), (at, replacement) => {
      const sealed = sealer.seal('secret');
      const index = at % sealed.length;
      const changed = sealed.slice(0, index) + replacement + sealed.slice(index + 1);
      fc.pre(changed !== sealed);
      assert.throws(() => sealer.open(changed), broken);
    }),
  );
});

test('another key, another purpose and junk are refused', () => {
  const sealed = sealer.seal('secret');
  assert.throws(() => createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes).open(sealed), broken);
  assert.throws(() => createSealer(key, 'other', randomBytes).open(sealed), broken);
  for (const junk of ['', 'larder:v1:', 'larder:v1:AAAA', 'larder:v2:', sealed.slice(1)]) {
    assert.throws(() => sealer.open(junk), broken);
  }
});

test('the same text never looks the same twice, and is not to be seen', () => {
  assert.notEqual(sealer.seal('secret'), sealer.seal('secret'));
  assert.ok(!Buffer.from(sealer.seal('secret').slice(10), 'base64url').includes('secret'));
});

test('a key of the wrong size is refused', () => {
  assert.throws(() => createSealer(randomBytes(16), 'test', randomBytes), { code: 'accounts.seal-key' });
});
