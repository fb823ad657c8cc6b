import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACCESS_KEY_ID,
  ACCOUNT_ID,
  accessKey,
  type Gateway,
  NOW_MS,
  REQUEST_ID,
  SECRET,
  TOKEN,
  testGateway,
  v1Request,
} from '../../test/fixtures/rpc/gateway.ts';
import { type ActionContext, actionTable, defineAction } from './action.ts';
import { apiError } from './api-error.ts';
import { MAX_SKEW_MS } from './authenticate.ts';
import type { AuthenticatedCall } from './handler.ts';
import { canonicalParameters, stringToSignV1 } from './signature-v1.ts';
import { canonicalRequestV3, formatAuthorization, sha256Hex, signV3, stringToSignV3 } from './signature-v3.ts';
import { bodyText, type RpcRequest, type RpcResponse } from './types.ts';

type ErrorBody = { Code?: string; Message?: string; RequestId: string; HostId?: string };
const bodyOf = (response: RpcResponse): ErrorBody => JSON.parse(bodyText(response.body));
const codeOf = (response: RpcResponse) => bodyOf(response).Code ?? 'ok';

/** A V3 request, signed rightly over all its headers unless `signedHeaders` says otherwise; headers set to undefined are left out. */
function v3Request(
  change: Record<string, string | undefined> = {},
  {
    signedHeaders,
    algorithm = 'ACS3-HMAC-SHA256',
    accessKeyId = ACCESS_KEY_ID,
    secret = SECRET,
    ...rest
  }: Partial<RpcRequest> & {
    signedHeaders?: string;
    algorithm?: string;
    accessKeyId?: string;
    secret?: string;
  } = {},
): RpcRequest {
  const base = {
    method: 'POST',
    path: '/',
    rawQuery: 'RegionId=cn-hangzhou',
    body: new Uint8Array(),
    peer: '127.0.0.1',
    ...rest,
  };
  const all: Record<string, string | undefined> = {
    host: '127.0.0.1:4620',
    'x-acs-action': 'DescribeImageCaches',
    'x-acs-version': '2018-08-08',
    'x-acs-date': '2026-01-02T03:04:05Z',
    'x-acs-signature-nonce': 'nonce-1',
    'x-acs-content-sha256': sha256Hex(base.body),
    ...change,
  };
  const entries = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const headers = new Map(entries.map(([name, value]) => [name, [value]]));
  const names = signedHeaders ?? [...headers.keys()].toSorted().join(';');
  const query = new Map(new URLSearchParams(base.rawQuery));
  const signature = signV3(stringToSignV3(canonicalRequestV3({ ...base, headers }, query, names)), secret);
  if (!headers.has('authorization'))
    headers.set('authorization', [formatAuthorization({ algorithm, accessKeyId, signedHeaders: names, signature })]);
  return { ...base, headers };
}

/** The vendor's order: everything is wrong at first; each step puts one thing right and meets the next check. */
test('V1: the checks come in the order of the gateway', async () => {
  const wrong: Record<string, string | undefined> = {
    Format: 'YAML',
    Action: undefined,
    Version: undefined,
    AccessKeyId: '',
    SignatureMethod: '',
    SignatureVersion: undefined,
    SignatureNonce: undefined,
    Timestamp: undefined,
    Signature: '',
    SecurityToken: 'bad',
    RegionId: undefined,
  };
  const world = { method: 'PUT', path: '/', active: false, denied: true, busy: true };
  const gateway = testGateway({
    key: {
      ...accessKey({ securityToken: TOKEN }),
      get active() {
        return world.active;
      },
    },
    authorize: async () => {
      if (world.denied) throw apiError('Forbidden.RAM');
    },
    admit: async () => {
      if (world.busy) throw apiError('Throttling.User', {}, { retryAfterMs: 1000 });
    },
  });
  /** What the request as it is now gets, then the change that puts it right. */
  const steps: readonly [code: string, change?: typeof wrong, worldChange?: Partial<typeof world>][] = [
    ['UnsupportedHTTPMethod', {}, { method: 'POST' }],
    ['InvalidParameter.Format', { Format: 'json' }],
    ['MissingVersion', { Version: 'x' }],
    ['InvalidVersion', { Version: '2018-08-08' }],
    ['MissingAction', { Action: 'NoSuchAction' }],
    ['InvalidApi.NotFound', { Action: 'DescribeImageCaches' }],
    ['MissingAccessKeyId', { AccessKeyId: 'unknown' }],
    ['MissingSignatureMethod', { SignatureMethod: 'HMAC-SHA256' }],
    ['MissingSignatureVersion', { SignatureVersion: '2.0' }],
    ['MissingSignatureNonce', { SignatureNonce: 'n'.repeat(200) }],
    ['MissingTimestamp', { Timestamp: '2026-02-31T00:00:00Z' }],
    ['MissingSignature', { Signature: 'x' }],
    ['InvalidTimeStamp.Format', { Timestamp: '2025-01-02T03:04:05Z' }],
    ['InvalidTimeStamp.Expired', { Timestamp: '2026-01-02T03:04:05Z' }],
    ['InvalidAccessKeyId.NotFound', { AccessKeyId: ACCESS_KEY_ID }],
    ['InvalidAccessKeyId.Inactive', {}, { active: true }],
    ['InvalidSecurityToken.MismatchWithAccessKey', { SecurityToken: TOKEN }],
    ['InvalidSignatureMethod', { SignatureMethod: 'HMAC-SHA1' }],
    ['InvalidSignatureVersion', { SignatureVersion: '1.0' }],
    ['InvalidSignatureNonce', { SignatureNonce: 'n1' }],
    ['SignatureDoesNotMatch', { Signature: undefined }],
    // The refusal by RAM comes after a good signature, so it spends the nonce.
    ['Forbidden.RAM'],
    ['SignatureNonceUsed', { SignatureNonce: 'n2' }, { denied: false }],
    ['Throttling.User', { SignatureNonce: 'n3' }, { busy: false }],
    ['MissingRegionId', { SignatureNonce: 'n4', RegionId: 'cn-hangzhou' }],
    ['ok'],
  ];
  for (const [code, change = {}, worldChange = {}] of steps) {
    const response = await gateway.handle(v1Request(wrong, { method: world.method }));
    const seen = /<Code>([^<]*)/.exec(bodyText(response.body))?.[1] ?? codeOf(response);
    assert.equal(seen, code);
    Object.assign(wrong, change);
    Object.assign(world, worldChange);
  }
});

test('V3: system headers are asked for, and the algorithm', async () => {
  const { handle } = testGateway();
  const cases: readonly [RpcRequest, string][] = [
    [v3Request({ 'x-acs-action': undefined }), 'MissingAction'],
    [v3Request({ 'x-acs-version': '' }), 'MissingVersion'],
    [v3Request({ authorization: 'ACS3-HMAC-SHA256 Credential=a' }), 'IncompleteSignature'],
    [v3Request({}, { accessKeyId: '' }), 'MissingAccessKeyId'],
    [v3Request({ 'x-acs-signature-nonce': undefined }), 'MissingSignatureNonce'],
    [v3Request({ 'x-acs-content-sha256': undefined }), 'MissingContentSha256'],
    [v3Request({ 'x-acs-date': undefined }), 'MissingDate'],
    [v3Request({ 'x-acs-date': 'Fri, 02 Jan 2026 03:04:05 GMT' }), 'InvalidTimeStamp.Format'],
    [v3Request({}, { accessKeyId: 'x'.repeat(500) }), 'InvalidAccessKeyId.NotFound'],
    [v3Request({}, { algorithm: 'ACS3-RSA-SHA256' }), 'InvalidSignatureMethod'],
    [v3Request({ 'x-acs-security-token': 'x' }), 'InvalidSecurityToken.MismatchWithAccessKey'],
    [v3Request({ 'x-acs-content-sha256': sha256Hex('other') }), 'SignatureDoesNotMatch'],
    [v3Request({}, { secret: 'other' }), 'SignatureDoesNotMatch'],
    // Signed, but without the header that says what to do.
    [v3Request({}, { signedHeaders: 'host;x-acs-date;x-acs-signature-nonce;x-acs-version' }), 'IncompleteSignature'],
    [
      v3Request(
        { 'content-type': 'text/plain' },
        { body: Buffer.from('x'), signedHeaders: 'x-acs-action;x-acs-date;x-acs-signature-nonce;x-acs-version' },
      ),
      'IncompleteSignature',
    ],
    [v3Request({ accept: 'image/png' }), 'InvalidParameter.Accept'],
    [v3Request({ authorization: 'Bearer x' }), 'InvalidSignatureMethod'],
    [v3Request({ authorization: 'ACS4-HMAC-SHA256 Credential=a/b' }), 'InvalidSignatureMethod'],
    [v3Request({}, { path: '/x' }), 'InvalidApi.NotFound'],
    [v3Request(), 'ok'],
  ];
  for (const [request, code] of cases) assert.equal(codeOf(await handle(request)), code);
});

test('V3: another order of fields, unsigned host, signed accept and user-agent, and Action as a parameter are fine', async () => {
  const java = v3Request({ 'content-type': 'application/x-www-form-urlencoded' });
  const names = [...java.headers.keys()].filter((name) => name !== 'host' && name !== 'authorization').join(';');
  const accepted = [
    v3Request({ 'x-acs-signature-nonce': 'a' }, { signedHeaders: names.replace('content-type', 'x-acs-date') }),
    v3Request({ 'x-acs-signature-nonce': 'b', accept: '*/*', 'user-agent': 'x' }),
    v3Request(
      { 'x-acs-signature-nonce': 'c', 'x-acs-action': undefined },
      { rawQuery: 'Action=DescribeImageCaches&RegionId=r' },
    ),
    v3Request(
      { 'x-acs-signature-nonce': 'd', 'content-type': 'application/x-www-form-urlencoded' },
      { rawQuery: '', body: Buffer.from('RegionId=r') },
    ),
  ];
  const { handle } = testGateway();
  for (const request of accepted) assert.equal(codeOf(await handle(request)), 'ok');
});

test('V1: headers that are not signed do not say what to do', async () => {
  const headers = new Map([
    ['x-acs-action', ['CreateImageCache']],
    ['x-acs-version', ['2018-08-08']],
  ]);
  assert.equal(codeOf(await testGateway().handle(v1Request({ Action: undefined }, { headers }))), 'MissingAction');
  assert.equal(codeOf(await testGateway().handle(v1Request({}, { headers }))), 'ok');
});

test('V1: SignatureDoesNotMatch ends in the string to sign', async () => {
  const request = v1Request({ Signature: 'AAAA', ImageCacheName: 'a b' });
  const { Message = '' } = bodyOf(await testGateway().handle(request));
  const parameters = new Map(new URLSearchParams(request.rawQuery));
  assert.ok(Message.endsWith(`server string to sign is:${stringToSignV1('GET', parameters)}`));
});

test('V3: SignatureDoesNotMatch shows string to sign and canonical request', async () => {
  const { Message = '' } = bodyOf(await testGateway().handle(v3Request({}, { secret: 'x' })));
  assert.match(
    Message,
    /^Specified signature does not match our calculation\. server StringToSign is \[ACS3-HMAC-SHA256\n[0-9a-f]{64}\] server CanonicalRequest is \[POST\n\/\nRegionId=cn-hangzhou\nhost:127\.0\.0\.1:4620\n/,
  );
});

test('SignatureDoesNotMatch repeats no password and no token, nor their hash', async () => {
  const secrets = { 'ImageRegistryCredential.1.Password': 'hunter2=&', 'AcrRegistryInfo.1.password': 'hunter2=&' };
  const v1 = v1Request({
    Signature: 'AAAA',
    SecurityToken: TOKEN,
    'ImageRegistryCredential.1.UserName': 'u',
    ...secrets,
  });
  const key = accessKey({ securityToken: TOKEN, expiresAtMs: NOW_MS + 1 });
  const { Message: toldV1 = '' } = bodyOf(await testGateway({ key }).handle(v1));
  const shown = new Map(new URLSearchParams(v1.rawQuery));
  for (const name of [...Object.keys(secrets), 'SecurityToken']) shown.set(name, '***');
  assert.ok(toldV1.endsWith(`server string to sign is:${stringToSignV1('GET', shown)}`), toldV1);

  const rawQuery = canonicalParameters(new Map(Object.entries({ RegionId: 'cn-hangzhou', ...secrets })));
  const v3 = v3Request({ 'x-acs-security-token': TOKEN }, { rawQuery, secret: 'x' });
  const { Message: toldV3 = '' } = bodyOf(await testGateway({ key }).handle(v3));
  assert.match(toldV3, /^Specified signature does not match/);
  assert.ok(!toldV3.includes('hunter2') && !toldV3.includes(TOKEN), toldV3);
  assert.match(toldV3, /Password=%2A%2A%2A&.*\nx-acs-security-token:\*\*\*\n/s);
  const [, digest, canonical = ''] = /\n([0-9a-f]{64})\] server CanonicalRequest is \[(.*)\]$/s.exec(toldV3) ?? [];
  assert.equal(digest, sha256Hex(canonical));
});

test('a nonce is spent by a good signature only, and a request is good within 15 minutes', async () => {
  const { handle } = testGateway();
  assert.equal(codeOf(await handle(v1Request({ Signature: 'x' }))), 'SignatureDoesNotMatch');
  assert.equal(codeOf(await handle(v1Request())), 'ok');
  assert.equal(codeOf(await handle(v1Request())), 'SignatureNonceUsed');
  for (const skewMs of [-MAX_SKEW_MS, MAX_SKEW_MS]) {
    assert.equal(codeOf(await testGateway({ nowMs: () => NOW_MS + skewMs }).handle(v1Request())), 'ok');
    const beyond = NOW_MS + skewMs + Math.sign(skewMs) * 1000;
    assert.equal(codeOf(await testGateway({ nowMs: () => beyond }).handle(v1Request())), 'InvalidTimeStamp.Expired');
  }
});

test('V1: TimeStamp may be spelt as in the old documents, SignatureType may be empty', async () => {
  const request = v1Request({
    Timestamp: undefined,
    TimeStamp: '2026-01-02T03:04:05Z',
    SignatureType: '',
    SecurityToken: '',
  });
  assert.equal(codeOf(await testGateway().handle(request)), 'ok');
});

test('temporary keys need their token, until they expire', async () => {
  const key = accessKey({ securityToken: TOKEN, expiresAtMs: NOW_MS + 1 });
  assert.equal(codeOf(await testGateway({ key }).handle(v1Request())), 'MissingSecurityToken');
  assert.equal(codeOf(await testGateway({ key }).handle(v1Request({ SecurityToken: TOKEN }))), 'ok');
  const expired = { ...key, expiresAtMs: NOW_MS };
  assert.equal(
    codeOf(await testGateway({ key: expired }).handle(v1Request({ SecurityToken: TOKEN }))),
    'InvalidSecurityToken.Expired',
  );
});

test('the format is what the caller asks for', async () => {
  const type = async (request: RpcRequest) =>
    (await testGateway().handle(request)).headers['content-type']?.split(/[/;]/)[1];
  assert.equal(await type(v1Request({ Format: 'xml' })), 'xml');
  assert.equal(await type(v1Request({ Format: undefined })), 'xml');
  assert.equal(await type(v1Request({ Format: 'jSON' })), 'json');
  assert.equal(await type(v3Request()), 'json');
  assert.equal(await type(v3Request({ accept: 'application/xml' })), 'xml');
  assert.equal(await type(v3Request({ accept: 'text/html, */*;q=0.1' })), 'json');
  // Errors too, also those from before the format is known.
  assert.equal(await type(v1Request({ Signature: 'x', Format: undefined })), 'xml');
  assert.equal(await type(v3Request({}, { rawQuery: 'a=%' })), 'json');
  assert.equal(await type(v1Request({}, { rawQuery: 'a=%' })), 'xml');
});

test('handlers get typed parameters and what they need to know about the call', async () => {
  const seen: { call?: AuthenticatedCall; context?: ActionContext } = {};
  const action = defineAction({
    name: 'DeleteImageCache',
    summary: 'Deletes.',
    ramAction: 'eci:DeleteImageCache',
    ramResource: 'imagecache/{ImageCacheId}',
    params: { ImageCacheId: { type: 'string', required: true, doc: 'Id.' } },
    run: async (params, context) => {
      assert.equal(params.ImageCacheId, 'imc-1');
      seen.context = context;
      return {};
    },
  });
  const authorize = async (call: AuthenticatedCall) => {
    seen.call = call;
  };
  const gateway = testGateway({ extra: [action], authorize });
  const response = await gateway.handle(v1Request({ Action: 'DeleteImageCache', ImageCacheId: 'imc-1' }));
  assert.deepEqual(JSON.parse(bodyText(response.body)), { RequestId: REQUEST_ID });
  const { log, beforeChange: _beforeChange, ...context } = seen.context ?? assert.fail();
  assert.ok(log);
  assert.deepEqual(context, {
    accountId: ACCOUNT_ID,
    accessKeyId: ACCESS_KEY_ID,
    principal: { type: 'Account', id: ACCOUNT_ID },
    action: 'DeleteImageCache',
    requestId: REQUEST_ID,
    regionId: 'cn-hangzhou',
    nowMs: NOW_MS,
    peer: '127.0.0.1',
    host: '127.0.0.1:4620',
    secure: false,
  });
  assert.deepEqual([seen.call?.regionId, seen.call?.action.name], ['cn-hangzhou', 'DeleteImageCache']);
  assert.deepEqual(gateway.finished, [
    {
      requestId: REQUEST_ID,
      action: 'DeleteImageCache',
      accountId: ACCOUNT_ID,
      status: 200,
      code: undefined,
      durationMs: 0,
      peer: '127.0.0.1',
    },
  ]);
});

test('an error that is not meant for the caller is logged and answered as InternalError', async () => {
  const gateway = gatewayThatThrows(new Error('password is hunter2'));
  const response = await gateway.handle(v1Request({ Action: 'Fail' }));
  assert.equal(response.status, 500);
  assert.doesNotMatch(bodyText(response.body), /hunter2/);
  assert.equal(bodyOf(response).Message, 'The request processing has failed due to some unknown error.');
  assert.equal(bodyOf(response).HostId, '127.0.0.1');
  assert.partialDeepStrictEqual(gateway.errors, [{ requestId: REQUEST_ID, action: 'Fail' }]);
});

test('an error after the caller left, or while the server stops, is no fault of the server', async () => {
  const gateway = gatewayThatThrows(new Error('aborted'));
  const response = await gateway.handle(v1Request({ Action: 'Fail' }), () => true);
  assert.equal(response.status, 503);
  assert.deepEqual(gateway.errors, []);
});

function gatewayThatThrows(error: Error): Gateway {
  const run = async () => {
    throw error;
  };
  return testGateway({ extra: [defineAction({ name: 'Fail', summary: 'Fails.', params: {}, run })] });
}

test('unknown versions are served, with one warning each and only so many', async () => {
  const { handle, warnings } = testGateway();
  const call = (year: number, nonce: string) => handle(v1Request({ Version: `${year}-01-01`, SignatureNonce: nonce }));
  assert.equal(codeOf(await call(2000, 'a')), 'ok');
  assert.equal(codeOf(await call(2000, 'b')), 'ok');
  assert.equal(warnings.length, 1);
  for (let i = 0; i < 50; i++) await call(2001 + i, `n${i}`);
  assert.equal(warnings.length, 20);
});

test('other paths are authenticated by V3 over their path; V1, which signs no path, is not taken there', async () => {
  const { authenticate } = testGateway();
  const path = '/snapshots/s-1';
  const caller = await authenticate(
    v3Request({ 'x-acs-action': undefined, 'x-acs-version': undefined }, { method: 'GET', path }),
  );
  assert.equal(caller.accountId, ACCOUNT_ID);
  const moved = { ...v3Request({ 'x-acs-signature-nonce': 'x' }), path };
  await assert.rejects(authenticate(moved), { code: 'SignatureDoesNotMatch' });
  await assert.rejects(authenticate(v1Request({}, { path })), { code: 'InvalidSignatureMethod' });
});

test('two actions of one name are a mistake', () => {
  const action = defineAction({ name: 'A', summary: '', params: {}, run: async () => ({}) });
  assert.throws(() => actionTable([action, action]), TypeError);
});

test('a dry run passes every check, changes nothing, and says so by an error', async () => {
  const changes: string[] = [];
  const action = defineAction({
    name: 'DeleteImageCache',
    summary: 'Deletes.',
    params: { ImageCacheId: { type: 'string', required: true, doc: 'Id.' } },
    run: async (params, context) => {
      context.beforeChange();
      changes.push(params.ImageCacheId);
      return {};
    },
  });
  const guarded: string[] = [];
  const guard = async ({ action: { name } }: AuthenticatedCall) => void guarded.push(name);
  const gateway = testGateway({ extra: [action], guard });
  let nonce = 0;
  const answer = async (params: Record<string, string>) => {
    const response = await gateway.handle(
      v1Request({ Action: 'DeleteImageCache', SignatureNonce: `dry-${nonce++}`, ...params }),
    );
    return [response.status, JSON.parse(bodyText(response.body)).Code];
  };
  assert.deepEqual(await answer({ DryRun: 'true' }), [400, 'MissingImageCacheId']);
  assert.deepEqual(guarded, [], 'the state of an account is not told before the parameters are good');
  assert.deepEqual(await answer({ DryRun: 'yes', ImageCacheId: 'imc-1' }), [400, 'InvalidDryRun']);
  assert.deepEqual(await answer({ DryRun: 'True', ImageCacheId: 'imc-1' }), [400, 'DryRunOperation']);
  assert.deepEqual([changes, guarded], [[], ['DeleteImageCache']]);
  assert.deepEqual(await answer({ DryRun: 'false', ImageCacheId: 'imc-1' }), [200, undefined]);
  assert.deepEqual(changes, ['imc-1']);
});
