import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { LarderError } from '../../lib/errors.ts';
import { type FilterFields, parseFilters } from './filter.ts';

const REF = 'containerd.io/snapshot.ref';
const snapshot: FilterFields = {
  name: 'sha256:aa',
  parent: 'default/3/sha256:bb',
  kind: 'committed',
  labels: { [REF]: 'sha256:aa', plain: 'x y', 'a.b': 'dots' },
};
const matches = (...filters: string[]) => parseFilters(filters)(snapshot);

describe('filters of containerd', () => {
  test('what its metadata store asks for a snapshot that was there already', () => {
    assert.ok(matches(`labels."${REF}"==sha256:aa,parent=="default/3/sha256:bb"`));
    assert.ok(!matches(`labels."${REF}"==sha256:aa,parent==""`));
  });

  test('fields, operators, any of several', () => {
    for (const text of [
      '',
      'name==sha256:aa',
      'kind==committed',
      'kind!=active',
      'labels.plain',
      'labels.plain=="x y"',
      'labels.a.b==dots',
      'labels."a.b"==dots',
      'labels.none!=x',
      'name~=^sha256:',
      'name~=/^sha.*a$/',
      'name~=|a+|',
      ' name == sha256:aa , kind == committed',
      'labels.plain=="x\\x20y"',
    ])
      assert.ok(matches(text), text);
    for (const text of ['name==x', 'kind==view', 'labels.none', 'unknown==x', 'unknown', 'name~=^b'])
      assert.ok(!matches(text), text);
    assert.ok(matches('name==x', 'kind==committed'));
    assert.ok(matches());
  });

  test('what is none is refused as an invalid argument', () => {
    for (const text of [
      ',',
      'name==',
      'name=x',
      'name===x',
      'name==a b',
      'name.',
      '.name',
      'name=="open',
      'name=="\\q"',
      'name=="\\400"',
      'name=="\\U00110000"',
      'name==/x/',
      'name~=/(/',
      'name==x,',
    ])
      assert.throws(() => matches(text), { code: 'snapshots.invalid-argument' }, text);
  });

  test('any text is found again once it is quoted as Go does', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (label, value) => {
        const fields = { ...snapshot, labels: { [label]: value } };
        const text = `labels.${goQuote(label)}==${goQuote(value)}`;
        assert.ok(parseFilters([text])(fields));
        assert.ok(!parseFilters([text])({ ...snapshot, labels: { [label]: `${value}.` } }));
      }),
    );
  });

  test('any input parses or is refused, and nothing else happens', () => {
    const pieces = fc.constantFrom(
      'name',
      'labels',
      '.',
      '==',
      '!=',
      '~=',
      '"',
      '\\',
      'x',
      ',',
      ' ',
      '/',
      '|',
      '\n',
      '(',
    );
    fc.assert(
      fc.property(fc.array(pieces), (parts) => {
        try {
          parseFilters([parts.join('')])(snapshot);
        } catch (error) {
          assert.ok(error instanceof LarderError && error.code === 'snapshots.invalid-argument');
        }
      }),
    );
  });
});

/** strconv.Quote, with more escapes than need be. */
function goQuote(text: string): string {
  const chars = Array.from(text, (char) => {
    const point = char.codePointAt(0) ?? 0;
    if (point >= 0xd800 && point < 0xe000) return char;
    if (point % 3 === 0 || char === '"' || char === '\\' || point < 0x20)
      return `\\U${point.toString(16).padStart(8, '0')}`;
    return char;
  });
  return `"${chars.join('')}"`;
}
