import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseChallenges } from './challenge.ts';

const read = (headers: string | string[]) =>
  parseChallenges(headers).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)] as const);

test('reads the challenges of real registries', () => {
  assert.deepEqual(
    read('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push"'),
    [
      [
        'bearer',
        { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:a/b:pull,push' },
      ],
    ],
  );
  assert.deepEqual(read('BASIC Realm = "a \\"quoted\\" realm"'), [['basic', { realm: 'a "quoted" realm' }]]);
  assert.deepEqual(read('Bearer realm=https'), [['bearer', { realm: 'https' }]]);
});

test('several challenges, in one header or in several', () => {
  const expected = [
    ['negotiate', {}],
    ['basic', { realm: 'x, y', charset: 'UTF-8' }],
    ['bearer', { realm: 'z' }],
  ];
  assert.deepEqual(read('Negotiate, Basic realm="x, y", charset="UTF-8" , Bearer realm="z"'), expected);
  assert.deepEqual(read(['Negotiate abcdef==', 'Basic realm="x, y", charset="UTF-8"', 'Bearer realm="z"']), expected);
});

test('junk gives no challenge and no error', () => {
  assert.deepEqual(parseChallenges(undefined), []);
  assert.deepEqual(read(['', ',,,', '="', 'Bearer realm="open']), [['bearer', {}]]);
  const text = fc.string({ unit: fc.constantFrom('B', 'a', '=', '"', ',', ' ', '\\', '\t', '/'), maxLength: 60 });
  fc.assert(fc.property(fc.oneof(text, fc.string()), (header) => Array.isArray(parseChallenges(header))));
});
