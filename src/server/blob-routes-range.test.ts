import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseByteRange } from './blob-routes-range.ts';

test('ranges of a file of 10 bytes', () => {
  const cases: [string | undefined, ReturnType<typeof parseByteRange>][] = [
    [undefined, undefined],
    ['bytes=0-', { from: 0, end: 10 }],
    ['bytes=0-0', { from: 0, end: 1 }],
    ['bytes=3-5', { from: 3, end: 6 }],
    ['bytes= 3-5 ', { from: 3, end: 6 }],
    ['bytes=3-99', { from: 3, end: 10 }],
    ['bytes=-4', { from: 6, end: 10 }],
    ['bytes=-99', { from: 0, end: 10 }],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=10-11', 'unsatisfiable'],
    // Not understood, or more than one: everything.
    ['bytes=5-3', undefined],
    ['bytes=-', undefined],
    ['bytes=0-1,3-4', undefined],
    ['items=0-1', undefined],
    ['bytes=1.5-2', undefined],
    ['bytes=9999999999999999-', undefined],
  ];
  for (const [header, expected] of cases) assert.deepEqual(parseByteRange(header, 10), expected, header);
  assert.equal(parseByteRange('bytes=0-', 0), 'unsatisfiable');
});

test('a range never leaves the file', () => {
  const part = fc.oneof(fc.nat().map(String), fc.constant(''), fc.string({ maxLength: 3 }));
  fc.assert(
    fc.property(part, part, fc.nat(), (first, last, size) => {
      const range = parseByteRange(`bytes=${first}-${last}`, size);
      if (range === undefined || range === 'unsatisfiable') return;
      assert.ok(range.from >= 0 && range.from < range.end && range.end <= size);
    }),
  );
});
