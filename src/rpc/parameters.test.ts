import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { flattenParameters, listElements, type ParameterTree, unflattenParameters, type WireValue } from './flatten.ts';
import { MAX_PARAMETERS, readParameters } from './parameters.ts';
import { percentDecode, percentEncode } from './percent.ts';
import { canonicalParameters } from './signature-v1.ts';
import type { RpcRequest } from './types.ts';

const FORM = 'application/x-www-form-urlencoded';

function request(rawQuery: string, body: string | Uint8Array = '', contentType?: string): RpcRequest {
  const headers = new Map(contentType === undefined ? [] : [['content-type', [contentType]]]);
  return { method: 'POST', path: '/', rawQuery, headers, body: Buffer.from(body), peer: '' };
}

test('query and form body make one map', () => {
  const { query, all } = readParameters(
    request('A=1&B=x+y%2B%7E', 'C=%E4%B8%AD&Tag.1.Value=&D', `${FORM}; charset=utf-8`),
  );
  assert.deepEqual(
    [...query],
    [
      ['A', '1'],
      ['B', 'x y+~'],
    ],
  );
  assert.deepEqual([...all], [...query, ['C', '中'], ['Tag.1.Value', ''], ['D', '']]);
});

test('a body without a content type is a form; one of another type holds no parameters', () => {
  assert.equal(readParameters(request('', 'A=1')).all.get('A'), '1');
  assert.equal(readParameters(request('', '{"A":1}', 'application/json')).all.size, 0);
});

test('names of the object prototype are names like any other', () => {
  const { all } = readParameters(request('__proto__=1&constructor.prototype.x=2'));
  assert.equal(all.get('__proto__'), '1');
  const tree = unflattenParameters(all);
  assert.equal(tree.children.get('constructor')?.children.get('prototype')?.children.get('x')?.value, '2');
  assert.equal(Object.hasOwn(Object.prototype, 'x'), false);
});

test('a repeat counts once; two different values are refused', () => {
  assert.equal(readParameters(request('RegionId=r', 'RegionId=r', FORM)).all.get('RegionId'), 'r');
  for (const [query, body] of [
    ['A=1&A=2', ''],
    ['A=1', 'A=2'],
    ['A=1&%41=2', ''],
    ['A', 'A=1'],
  ] as const)
    assert.throws(() => readParameters(request(query, body)), { code: 'InvalidParameter', status: 400 });
});

test('broken escapes, invalid UTF-8 and raw bytes are refused', () => {
  for (const query of ['a=%', 'a=%zz', 'a=%C3', 'a=%C3%28', 'a=%ED%A0%80', 'a=%C0%80', '%FF=1', 'a=é', 'a=\u0000'])
    assert.throws(() => readParameters(request(query)), { code: 'InvalidParameter', status: 400 }, query);
  assert.throws(() => readParameters(request('', Uint8Array.of(0x61, 0x3d, 0xff))), { code: 'InvalidParameter' });
  assert.equal(readParameters(request('', 'a=é')).all.get('a'), 'é');
});

test('the number of parameters is bounded', () => {
  const pairs = (count: number, prefix: string) => Array.from({ length: count }, (_, i) => `${prefix}${i}=`).join('&');
  assert.equal(readParameters(request(pairs(MAX_PARAMETERS, 'a'))).all.size, MAX_PARAMETERS);
  assert.throws(() => readParameters(request(pairs(MAX_PARAMETERS + 1, 'a'))), { code: 'InvalidParameter' });
  assert.throws(() => readParameters(request(pairs(MAX_PARAMETERS, 'a'), 'b=1')), { code: 'InvalidParameter' });
});

const text = fc.string({ unit: 'grapheme', maxLength: 12 });

test('property: what is printed parses back', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name }), fc.nat(10), (entries, split) => {
      const inQuery = new Map(entries.slice(0, split));
      const inBody = new Map(entries.slice(split));
      const parsed = readParameters(request(canonicalParameters(inQuery), canonicalParameters(inBody), FORM));
      assert.deepEqual(parsed.query, inQuery);
      assert.deepEqual(parsed.all, new Map(entries));
    }),
  );
});

test('property: percent-encoding leaves only unreserved characters and is undone by decoding', () => {
  fc.assert(
    fc.property(text, (value) => {
      const encoded = percentEncode(value);
      assert.match(encoded, /^(?:[A-Za-z0-9\-_.~]|%[0-9A-F]{2})*$/);
      assert.equal(percentDecode(encoded), value);
    }),
  );
  assert.equal(percentEncode('\ud800'), '%EF%BF%BD');
});

test('lists flatten from 1, leave out what is undefined, and close their gaps when read', () => {
  const flat = flattenParameters({
    Image: ['a', undefined, 'c'],
    Acr: [{ Id: 'i', Domain: ['x', 'y'] }],
    Flash: true,
    N: 7,
    U: undefined,
  });
  assert.deepEqual(Object.fromEntries(flat), {
    'Image.1': 'a',
    'Image.3': 'c',
    'Acr.1.Id': 'i',
    'Acr.1.Domain.1': 'x',
    'Acr.1.Domain.2': 'y',
    Flash: 'true',
    N: '7',
  });
  const images = unflattenParameters(flat).children.get('Image');
  assert.deepEqual(images && listElements(images)?.map(({ node }) => node.value), ['a', 'c']);
});

test('list elements are sorted by number, and have one', () => {
  const elements = (...names: string[]) =>
    listElements(unflattenParameters(new Map(names.map((name) => [name, '']))))?.map(({ index }) => index);
  assert.deepEqual(elements('10', '2', '1'), [1, 2, 10]);
  for (const bad of ['0', '01', '-1', 'x', '', '1e3', '123456']) assert.equal(elements('1', bad), undefined, bad);
});

test('property: unflatten ∘ flatten is the identity', () => {
  const name = fc.stringMatching(/^[A-Z][A-Za-z_]{0,6}$/);
  const value = fc.letrec<{ value: WireValue }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 3 },
      text,
      fc.array(tie('value'), { minLength: 1, maxLength: 4 }),
      fc.dictionary(name, tie('value'), { minKeys: 1, maxKeys: 3, noNullPrototype: true }),
    ),
  })).value;
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true }), (values) => {
      assert.deepEqual(rebuild(unflattenParameters(flattenParameters(values))), values);
    }),
  );
});

/** Any tree as plain values: what has numbered children is a list. */
function rebuild(tree: ParameterTree): WireValue {
  if (tree.value !== undefined) return tree.value;
  const elements = tree.children.size > 0 ? listElements(tree) : undefined;
  if (elements !== undefined) return elements.map(({ node }) => rebuild(node));
  return Object.fromEntries([...tree.children].map(([key, child]) => [key, rebuild(child)]));
}
