import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseParams } from './parse-params.ts';

const SPECS = {
  RegionId: { type: 'string', required: true, doc: '' },
  Image: { type: 'strings', required: true, maxItems: 3, maxLength: 10, doc: '' },
  Size: { type: 'integer', min: 1, max: 10, default: 5, doc: '' },
  Days: { type: 'integer', doc: '' },
  Flash: { type: 'boolean', default: false, doc: '' },
  Os: { type: 'string', values: ['Linux', 'Windows'], doc: '' },
  Server: { type: 'string', pattern: /[a-z]+/, doc: '' },
  Acr: {
    type: 'objects',
    maxItems: 2,
    doc: '',
    fields: {
      InstanceId: { type: 'string', required: true, doc: '' },
      Domain: { type: 'strings', maxItems: 2, doc: '' },
    },
  },
  Tag: { type: 'objects', maxItems: 2, doc: '', fields: { Value: { type: 'string', keepEmpty: true, doc: '' } } },
} as const;

const parse = (extra: Record<string, string> = {}) =>
  parseParams(SPECS, new Map(Object.entries({ RegionId: 'r', 'Image.1': 'a', ...extra })));

test('parameters come out typed, with defaults and lists', () => {
  const params = parse({
    'Image.7': 'b',
    'Image.3': '',
    Days: '+30',
    Flash: 'TRUE',
    Os: '',
    'Acr.3.InstanceId': 'i',
    'Acr.3.Domain.2': 'd',
    'Tag.1.Value': '',
    OwnerId: '1',
  });
  // The types below are part of the test.
  const size: number = params.Size;
  const days: number | undefined = params.Days;
  const os: 'Linux' | 'Windows' | undefined = params.Os;
  const domains: readonly string[] | undefined = params.Acr[0]?.Domain;
  assert.deepEqual([size, days, os, domains], [5, 30, undefined, ['d']]);
  assert.deepEqual(
    { ...params },
    {
      RegionId: 'r',
      Image: ['a', 'b'],
      Size: 5,
      Days: 30,
      Flash: true,
      Os: undefined,
      Server: undefined,
      Acr: [{ InstanceId: 'i', Domain: ['d'] }],
      Tag: [{ Value: '' }],
    },
  );
});

const REFUSED: readonly [Record<string, string>, code: string, message: string][] = [
  [{ RegionId: '' }, 'MissingRegionId', 'RegionId is mandatory for this action.'],
  [{ 'Image.1': '' }, 'MissingImage', 'Image is mandatory for this action.'],
  [{ 'Acr.2.Domain.1': 'x' }, 'MissingAcr.2.InstanceId', 'Acr.2.InstanceId is mandatory for this action.'],
  [{ 'Image.0': 'x' }, 'InvalidImage', 'Specified parameter Image is not valid.'],
  [{ Size: 'ten' }, 'InvalidSize', 'Specified parameter Size is not valid.'],
  [{ Size: '1.5' }, 'InvalidSize', 'Specified parameter Size is not valid.'],
  [{ Days: '99999999999999999999' }, 'InvalidDays', 'Specified parameter Days is not valid.'],
  [{ Flash: 'yes' }, 'InvalidFlash', 'Specified parameter Flash is not valid.'],
  [{ Size: '0' }, 'InvalidParameter.ValueExceeded', 'The value of parameter Size exceeded limit: 1.'],
  [{ Size: '11' }, 'InvalidParameter.ValueExceeded', 'The value of parameter Size exceeded limit: 10.'],
  [
    { 'Image.2': 'x'.repeat(11) },
    'InvalidParameter.LengthExceeded',
    'The length of parameter Image.2 exceeded limit: 10.',
  ],
  [
    { 'Image.2': 'x', 'Image.3': 'x', 'Image.4': 'x' },
    'InvalidParameter.LengthExceeded',
    'The length of parameter Image exceeded limit: 3.',
  ],
  [{ Os: 'Plan9' }, 'InvalidParameter', 'The specified parameter Os is invalid, it must be one of Linux, Windows.'],
  [{ Server: 'a1' }, 'InvalidParameter', 'The specified parameter Server is invalid, it must match [a-z]+.'],
];
for (const [extra, code, message] of REFUSED) {
  test(`${JSON.stringify(extra).slice(0, 40)} is ${code}`, () => {
    assert.throws(() => parse(extra), { name: 'ApiError', code, message, status: 400 });
  });
}

test('a spec without parameters takes any request', () => {
  assert.deepEqual({ ...parseParams({}, new Map([['__proto__', 'x']])) }, {});
});
