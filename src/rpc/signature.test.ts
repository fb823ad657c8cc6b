import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readVectors } from '../../test/fixtures/rpc/captures.ts';
import { equalText } from './equal-text.ts';
import { signV1, stringToSignV1, verifyV1 } from './signature-v1.ts';
import {
  canonicalRequestV3,
  formatAuthorization,
  parseAuthorization,
  signV3,
  stringToSignV3,
  verifyV3,
} from './signature-v3.ts';
import { headerText } from './types.ts';

const SECRETS: Record<string, string> = {
  YourAccessKeyId: 'YourAccessKeySecret',
  testAccessKeyId: 'testAccessKeySecret',
};

for (const vector of readVectors()) {
  test(`signature vector ${vector.name}`, () => {
    if (vector.kind === 'V1') {
      const stringToSign = stringToSignV1(vector.method, new Map(Object.entries(vector.params)));
      assert.equal(stringToSign, vector.stringToSign);
      assert.equal(signV1(stringToSign, vector.secret), vector.signature);
      assert.ok(verifyV1(stringToSign, vector.secret, vector.signature));
    } else if (vector.kind === 'V3') {
      const authorization = parseAuthorization(vector.authorization);
      assert.ok(authorization);
      assert.equal(formatAuthorization(authorization), vector.authorization);
      const headers = new Map(Object.entries(vector.headers).map(([name, value]) => [name, [value]]));
      const request = { method: vector.method, path: '/', headers, body: Buffer.from(vector.payload) };
      const query = new Map(Object.entries(vector.query));
      const canonicalRequest = canonicalRequestV3(request, query, authorization.signedHeaders);
      assert.equal(canonicalRequest, vector.canonicalRequest);
      assert.equal(stringToSignV3(canonicalRequest), vector.stringToSign);
      const secret = SECRETS[authorization.accessKeyId] ?? '';
      assert.equal(signV3(vector.stringToSign, secret), vector.signature);
      assert.ok(verifyV3(vector.stringToSign, secret, vector.signature));
    } else {
      // A second implementation's result for the vector before it.
      const other = readVectors().find(({ name }) => name.startsWith('V1-5 '));
      assert.equal(vector.signature, other?.signature);
    }
  });
}

test('signatures of any other text or length are refused', () => {
  const good = signV1('text', 'secret');
  for (const bad of ['', 'x', good.slice(1), `${good}=`, good.toLowerCase(), 'é'.repeat(5000)])
    assert.equal(verifyV1('text', 'secret', bad), false);
  assert.equal(equalText('', ''), true);
});

test('the fields of an Authorization header are found by name', () => {
  const expected = { algorithm: 'ACS3-HMAC-SHA256', accessKeyId: 'ak', signedHeaders: 'a;b', signature: 'ff' };
  assert.deepEqual(parseAuthorization('ACS3-HMAC-SHA256 Credential=ak, Signature=ff, SignedHeaders=a;b'), expected);
  for (const bad of ['', 'ACS3-HMAC-SHA256', 'ACS3-HMAC-SHA256 Credential=ak,Signature=ff', 'Bearer x'])
    assert.equal(parseAuthorization(bad), undefined);
});

test('a repeated header is its sorted values, wherever it is read', () => {
  assert.equal(headerText(new Map([['x', [' b', 'a ']]]), 'x'), 'a,b');
  assert.equal(headerText(new Map([['x', []]]), 'x'), undefined);
});
