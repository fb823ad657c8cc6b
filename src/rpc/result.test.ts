import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { renderResult } from './render.ts';
import { rawJson } from './result.ts';
import { bodyText } from './types.ts';

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
        assert.equal(bodyText(answer), bodyText(expected));
      }
    }),
  );
});

test('long texts, as text or as UTF-8, are parts of the answer', () => {
  const long = JSON.stringify(['é'.repeat(10_000)]);
  for (const text of [long, Buffer.from(long)]) {
    const { body } = renderResult(
      { Long: rawJson(text), After: 'x', List: [rawJson(text), rawJson('1')] },
      { ...facts, format: 'JSON' },
    );
    assert.ok(typeof body !== 'string' && body.length === 5);
    assert.equal(bodyText(body), `{"RequestId":"R","Long":${long},"After":"x","List":[${long},1]}`);
    const xml = renderResult({ Long: rawJson(text) }, { ...facts, format: 'XML' }).body;
    assert.equal(bodyText(xml), bodyText(renderResult({ Long: JSON.parse(long) }, { ...facts, format: 'XML' }).body));
  }
});
