import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { matchesWildcard } from './wildcard.ts';

/** Says the same in the plainest way, in exponential time. */
function obviously(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  const [first, rest] = [pattern[0], pattern.slice(1)];
  if (first === '*') return obviously(rest, text) || (text !== '' && obviously(pattern, text.slice(1)));
  return text !== '' && (first === '?' || first === text[0]) && obviously(rest, text.slice(1));
}

test('it matches what the obvious matcher matches', () => {
  const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 10 });
  const sameVerdict = fc.property(pattern, text, (one, other) => {
    assert.equal(matchesWildcard(one, other), obviously(one, other));
  });
  fc.assert(sameVerdict, { numRuns: 5000 });
});

test('many stars against a long text that almost fits cost steps, not ages', () => {
  assert.equal(matchesWildcard('*a'.repeat(500), `${'a'.repeat(5000)}b`), false);
  assert.equal(matchesWildcard(`${'*a'.repeat(500)}*`, `${'a'.repeat(5000)}b`), true);
});

test('no character of a pattern but * and ? is special', () => {
  assert.equal(matchesWildcard('a.c[d]\\', 'a.c[d]\\'), true);
  assert.equal(matchesWildcard('a.c', 'abc'), false);
  assert.equal(matchesWildcard('a?c', 'a\nc'), true);
});
