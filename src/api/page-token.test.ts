import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { MatchPosition } from '../caches/index.ts';
import {
  formatMatchToken,
  formatPageToken,
  formatTagToken,
  type PagePosition,
  parseMatchToken,
  parsePageToken,
  parseTagToken,
  type TagPosition,
} from './page-token.ts';

const ALPHANUMERIC = 'abcdefghijklmnopqrstuvwxyz0123456789'.split('');
const id = fc
  .string({ unit: fc.constantFrom(...ALPHANUMERIC), minLength: 20, maxLength: 20 })
  .map((text) => `imc-${text}`);
const PLAIN = { noNullPrototype: true } as const;
const createdAtMs = fc.nat({ max: 999_999_999_999_999 });
/** Keys of tags are counted in UTF-16 units, as parameters are. */
const key = fc
  .string({
    unit: fc.oneof(
      fc.constantFrom(':', '\n', '中', '日', '😀', 't:imc-', '%', '+'),
      fc.string({ minLength: 1, maxLength: 1, unit: 'binary' }),
    ),
    minLength: 1,
    maxLength: 128,
  })
  .map((text) => text.slice(0, 128))
  .filter((text) => text.isWellFormed() && text !== '');
const page: fc.Arbitrary<PagePosition> = fc.record({ createdAtMs, id }, PLAIN);
const tag: fc.Arbitrary<TagPosition> = fc.record({ id, key }, PLAIN);
const match: fc.Arbitrary<MatchPosition> = fc.record(
  {
    full: fc.nat({ max: 100 }),
    partial: fc.nat({ max: 100 }),
    sizeGib: fc.integer({ min: 1, max: 32_768 }),
    createdAtMs,
    id,
  },
  PLAIN,
);

test('a token is read back as the position it was made of', () => {
  fc.assert(fc.property(page, (position) => assert.deepEqual(parsePageToken(formatPageToken(position)), position)));
  fc.assert(fc.property(tag, (position) => assert.deepEqual(parseTagToken(formatTagToken(position)), position)));
  fc.assert(fc.property(match, (position) => assert.deepEqual(parseMatchToken(formatMatchToken(position)), position)));
});

test('the longest tag key, with a colon and characters of all lengths', () => {
  for (const text of [':', 'a:b', ':'.repeat(128), '中'.repeat(128), '😀'.repeat(64), 'a\nb']) {
    const position = { id: `imc-${'0'.repeat(20)}`, key: text };
    assert.deepEqual(parseTagToken(formatTagToken(position)), position);
  }
});

test('a token fits into the parameter that takes it', () => {
  fc.assert(
    fc.property(
      fc.oneof(page.map(formatPageToken), tag.map(formatTagToken), match.map(formatMatchToken)),
      (token) => token.length <= 1024,
    ),
  );
});

const PARSERS = [parsePageToken, parseTagToken, parseMatchToken] as const;
const sealed = (text: string) => Buffer.from(text).toString('base64url');

test('junk is no token, nor is what only looks like one, nor that of another list', () => {
  const noise = fc.oneof(
    fc.string(),
    fc.string().map(sealed),
    // Nearly right: an id in capitals, numbers that are none, parts that are missing.
    fc
      .constantFrom(
        '1:imc-x',
        `-1:imc-${'a'.repeat(20)}`,
        `1:imc-${'A'.repeat(20)}`,
        `t:imc-${'a'.repeat(20)}:`,
        `m:1:1:1:imc-${'a'.repeat(20)}`,
        `m:1:1:x:1:imc-${'a'.repeat(20)}`,
      )
      .map(sealed),
  );
  for (const parse of PARSERS) fc.assert(fc.property(noise, (text) => parse(text) === null));
  const foreign = [
    [parsePageToken, fc.oneof(tag.map(formatTagToken), match.map(formatMatchToken))],
    [parseTagToken, fc.oneof(page.map(formatPageToken), match.map(formatMatchToken))],
    [parseMatchToken, fc.oneof(page.map(formatPageToken), tag.map(formatTagToken))],
  ] as const;
  for (const [parse, tokens] of foreign) fc.assert(fc.property(tokens, (token) => parse(token) === null));
});
