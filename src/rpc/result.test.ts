import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderResult } from './render.ts';
import { rawJson } from './result.ts';

const facts = { action: 'Get', requestId: 'R' };

test('an answer with texts of JSON in it is the same as with their values, in both formats', () => {
  const value = fc.dictionary(
    fc.constantFrom('A', 'B', 'C'),
    fc.oneof(fc.string(), fc.integer(), fc.array(fc.string())),
  );
  fc.assert(
    fc.property(value, fc.array(value, { maxLength: 3 }), value, (one, list, plain) => {
      const raw = { One: rawJson(JSON.stringify(one)), List: list.map((item) => rawJson(JSON.stringify(item))) };
      const parsed = { One: one, List: list };
      for (const format of ['JSON', 'XML'] as const) {
        const expected = renderResult({ ...parsed, Deep: { Raw: plain }, Plain: plain }, { ...facts, format }).body;
        const deep = { Raw: rawJson(JSON.stringify(plain)) };
        const answer = renderResult(
          { ...raw, Deep: deep, Plain: plain, Nothing: undefined },
          { ...facts, format },
        ).body;
        assert.equal(answer, expected);
      }
    }),
  );
});
