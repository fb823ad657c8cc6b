/** What unmodified clients of the vendor sent, against the whole pipeline. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCaptures, signedAtMs } from '../../test/fixtures/rpc/captures.ts';
import { accessKey, type Gateway, REQUEST_ID, TOKEN, testGateway } from '../../test/fixtures/rpc/gateway.ts';
import { readParameters } from './parameters.ts';
import { bodyText, type RpcRequest, type RpcResponse } from './types.ts';

const captures = readCaptures();

/** A gateway at the time of the request, with a temporary key if the request brings a token. */
function gatewayFor(request: RpcRequest, signedAt = signedAtMs(request)): Gateway {
  const sts = request.headers.has('x-acs-security-token') || readParameters(request).all.has('SecurityToken');
  const key = sts ? accessKey({ securityToken: TOKEN, expiresAtMs: signedAt + 1 }) : accessKey();
  return testGateway({ key, nowMs: () => signedAt });
}

function codeOf(response: RpcResponse): string | undefined {
  return /"Code":"([^"]*)"|<Code>([^<]*)/.exec(bodyText(response.body))?.slice(1).join('');
}

test('all captures are there', () => assert.equal(captures.length, 44));

for (const { name, requests } of captures) {
  test(`capture ${name}`, async () => {
    for (const request of requests) {
      const { handle, errors } = gatewayFor(request);
      const response = await handle(request);
      const expected = name.endsWith('-bearer')
        ? 'InvalidSignatureMethod'
        : name.endsWith('-anonymous')
          ? 'MissingAccessKeyId'
          : undefined;
      assert.equal(codeOf(response), expected, bodyText(response.body));
      assert.equal(response.headers['content-type'], 'application/json;charset=utf-8');
      assert.equal(JSON.parse(bodyText(response.body)).RequestId, REQUEST_ID);
      assert.deepEqual(errors, []);
      // The same again is a replay.
      if (expected === undefined) assert.equal(codeOf(await handle(request)), 'SignatureNonceUsed');
    }
  });
}

const signed = captures
  .filter(({ name }) => !/-bearer$|-anonymous$/.test(name))
  .flatMap(({ requests }) => requests)
  .map((request) => ({ request, signedAt: signedAtMs(request) }));

test('every capture is refused with another secret, and with a token that is not its own', async () => {
  for (const { request, signedAt } of signed) {
    const nowMs = () => signedAt;
    const securityToken = 'another';
    const withToken = await testGateway({ key: accessKey({ securityToken }), nowMs }).handle(request);
    assert.match(codeOf(withToken) ?? '', /^(?:MissingSecurityToken|InvalidSecurityToken.MismatchWithAccessKey)$/);
    const { all } = readParameters(request);
    const ownToken = all.get('SecurityToken') ?? request.headers.get('x-acs-security-token')?.[0];
    const key = accessKey({ secret: 'another', ...(ownToken === undefined ? {} : { securityToken: ownToken }) });
    assert.equal(codeOf(await testGateway({ key, nowMs }).handle(request)), 'SignatureDoesNotMatch');
  }
});

test('property: a capture changed anywhere that matters is refused, never answered or a 500', async () => {
  const anyChar = fc.constantFrom(...'aZ09%+&=.;,: /\u0001\u00ff'.split(''));
  const change = fc.record({
    capture: fc.constantFrom(...signed),
    part: fc.constantFrom('query', 'body', 'path', 'method', 'header'),
    position: fc.nat(2000),
    char: anyChar,
    length: fc.nat(3),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ capture, part, position, char, length }) => {
      const { request, signedAt } = capture;
      const changed = mutate(request, part, (text) => {
        const at = position % (text.length + 1);
        return text.slice(0, at) + char + text.slice(at + length);
      });
      const { handle, errors } = gatewayFor(request, signedAt);
      const response = await handle(changed);
      assert.deepEqual(errors, []);
      assert.ok(response.status < 500);
      // A success is right only for a change that changes nothing: another encoding of the same, or a header nobody signed.
      if (response.status === 200) assert.ok(meansTheSame(request, changed), JSON.stringify({ changed, part }));
    }),
    { numRuns: 400 },
  );
});

function mutate(request: RpcRequest, part: string, edit: (text: string) => string): RpcRequest {
  switch (part) {
    case 'query':
      return { ...request, rawQuery: edit(request.rawQuery) };
    case 'body':
      return { ...request, body: Buffer.from(edit(Buffer.from(request.body).toString('latin1')), 'latin1') };
    case 'path':
      return { ...request, path: edit(request.path) };
    case 'method':
      return { ...request, method: edit(request.method) };
    default: {
      const headers = new Map(request.headers);
      for (const name of [
        'authorization',
        'x-acs-action',
        'x-acs-date',
        'x-acs-signature-nonce',
        'host',
        'content-type',
      ]) {
        const text = headers.get(name)?.[0];
        if (text !== undefined) headers.set(name, [edit(text)]);
      }
      return { ...request, headers };
    }
  }
}

function meansTheSame(before: RpcRequest, after: RpcRequest): boolean {
  const { all: a } = readParameters(before);
  const { all: b } = readParameters(after);
  const sameParameters = a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
  return sameParameters && before.method === after.method && before.path === after.path;
}

test('property: junk is refused in some documented way', async () => {
  const { handle, errors } = testGateway();
  const junk = fc.string({ unit: 'binary', maxLength: 60 });
  const headerName = fc.constantFrom(
    'authorization',
    'accept',
    'content-type',
    'x-acs-action',
    'x-acs-date',
    'host',
    'x-acs-version',
  );
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', ''),
    path: fc.constantFrom('/', '/x'),
    rawQuery: fc.oneof(
      junk,
      fc.constantFrom('Action=DescribeImageCaches&Version=2018-08-08&Signature=x', 'Signature=&Format=json'),
    ),
    headers: fc
      .array(
        fc.tuple(
          headerName,
          fc.tuple(fc.oneof(junk, fc.constant('ACS3-HMAC-SHA256 Credential=a,SignedHeaders=,Signature='))),
        ),
      )
      .map((entries) => new Map(entries)),
    body: fc.uint8Array({ maxLength: 40 }),
    peer: fc.constant(''),
  });
  await fc.assert(
    fc.asyncProperty(request, async (value) => {
      const response = await handle(value);
      assert.ok(response.status >= 400 && response.status < 500, bodyText(response.body));
      assert.notEqual(codeOf(response), undefined);
    }),
    { numRuns: 300 },
  );
  assert.deepEqual(errors, []);
});
