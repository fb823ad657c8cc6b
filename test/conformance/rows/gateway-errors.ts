import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type Answer, type Client, codeOf, send, type Wire } from '../client.ts';
import { GATEWAY, rowsOf } from '../row.ts';

const row = rowsOf(GATEWAY);
const ACTION = 'DescribeImageCaches';
const V3 = { scheme: 'V3' } as const;

/** Sends a call that reads and checks its refusal. */
async function refused(client: Client, code: string, wire: Wire, status = 400): Promise<Answer> {
  const answer = await client.call(ACTION, {}, wire);
  assert.deepEqual([answer.status, codeOf(answer)], [status, code], answer.body);
  return answer;
}

/** The message of an error in JSON. */
async function messageOf(client: Client, code: string, wire: Wire, status = 400): Promise<string> {
  return (await refused(client, code, wire, status)).json.Message;
}

export const gatewayErrors = [
  row('error', 'UnsupportedHTTPMethod', 'another method than GET and POST', async (live) => {
    const client = await live.newClient();
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
      for (const scheme of ['V1', 'V3'] as const) await refused(client, 'UnsupportedHTTPMethod', { method, scheme });
    }
  }),
  row('error', 'InvalidParameter.Format', 'V1: another format than JSON and XML', async (live) => {
    const client = await live.newClient();
    const { body } = await refused(client, 'InvalidParameter.Format', { format: 'YAML' });
    assert.ok(body.startsWith('<?xml'), 'XML where the format is not known');
  }),
  row('error', 'InvalidParameter.Accept', 'V3: no format that the server has', async (live) => {
    await refused(await live.newClient(), 'InvalidParameter.Accept', { ...V3, format: 'text/html' });
  }),
  row('error', 'InvalidApi.NotFound', 'an operation that there is not, or another path than /', async (live) => {
    const client = await live.newClient();
    for (const scheme of ['V1', 'V3'] as const) {
      const answer = await client.call('ExportImageCache', {}, { scheme });
      assert.deepEqual([answer.status, codeOf(answer)], [404, 'InvalidApi.NotFound']);
      await refused(client, 'InvalidApi.NotFound', { scheme, path: '/other' }, 404);
    }
  }),
  row('error', 'InvalidVersion', 'no version at all', async (live) => {
    const client = await live.newClient();
    for (const scheme of ['V1', 'V3'] as const) await refused(client, 'InvalidVersion', { scheme, version: 'v1' });
  }),
  row('error', 'MissingAccessKeyId', 'no signature of any kind', async (live) => {
    const { endpoint } = await live.newClient();
    const query = `Action=${ACTION}&Version=2018-08-08&RegionId=${live.regionId}`;
    for (const [method, path] of [
      ['GET', `/?${query}&Format=JSON`],
      ['POST', `/?${query}`],
    ] as const) {
      const answer = await send(endpoint, { method, path });
      assert.deepEqual([answer.status, codeOf(answer)], [400, 'MissingAccessKeyId']);
    }
  }),
  row(
    'error',
    'Missing{Param}',
    'a system parameter or one of the operation is not there, or is empty',
    async (live) => {
      const client = await live.newClient();
      const message = await messageOf(client, 'MissingTimestamp', { system: { Timestamp: '' } });
      assert.equal(message, 'Timestamp is mandatory for this action.');
      for (const RegionId of ['', undefined]) {
        const expected = { status: 400, code: 'MissingRegionId', message: 'RegionId is mandatory for this action.' };
        await client.refused(ACTION, { RegionId }, expected);
        await client.refused(ACTION, { RegionId }, expected, V3);
      }
    },
  ),
  row('error', 'Invalid{Param}', 'text where a number, a list or true and false belong', async (live) => {
    const client = await live.newClient();
    for (const [name, value] of [
      ['Limit', 'ten'],
      ['Limit', '1.5'],
      ['ImageFullMatch', 'yes'],
      ['Tag', [{ Key: 'k' }]],
    ] as const) {
      const params = typeof value === 'string' ? { [name]: value } : { 'Tag.x.Key': 'k' };
      const message = `Specified parameter ${name} is not valid.`;
      await client.refused(ACTION, params, { status: 400, code: `Invalid${name}`, message });
    }
  }),
  row('error', 'InvalidParameter', 'a parameter twice with two values, broken escapes, no UTF-8', async (live) => {
    const client = await live.newClient();
    for (const extra of ['RegionId=a&RegionId=b', 'x=%', 'x=%ff', 'x=%zz']) {
      const path = `/?Action=${ACTION}&Version=2018-08-08&Format=JSON&${extra}`;
      const answer = await send(client.endpoint, { method: 'GET', path });
      assert.deepEqual([answer.status, codeOf(answer)], [400, 'InvalidParameter'], extra);
    }
  }),
  row('error', 'InvalidParameter.LengthExceeded', 'a text, list, head or body that is too long', async (live) => {
    const client = await live.newClient();
    const long = { status: 400, code: 'InvalidParameter.LengthExceeded' };
    await client.refused(ACTION, { RegionId: 'x'.repeat(65) }, long);
    await client.refused(ACTION, { MatchImage: Array.from({ length: 101 }, () => 'a') }, long);
    await client.refused(ACTION, { ImageCacheName: 'x'.repeat(5 * 1024 * 1024) }, long, { ...V3, place: 'form' });
    await client.refused(ACTION, { ImageCacheName: 'x'.repeat(200 * 1024) }, long);
    const MatchImage = Array.from({ length: 100 }, (_, index) => `registry.example.com/${'x'.repeat(400)}:${index}`);
    await client.ok(ACTION, { MatchImage });
  }),
  row('error', 'InvalidParameter.ValueExceeded', 'a number out of its range', async (live) => {
    const client = await live.newClient();
    for (const [Limit, limit] of [
      ['0', 1],
      ['-1', 1],
      ['101', 100],
    ] as const) {
      const message = `The value of parameter Limit exceeded limit: ${limit}.`;
      await client.refused(ACTION, { Limit }, { status: 400, code: 'InvalidParameter.ValueExceeded', message });
    }
  }),
  row('error', 'InvalidTimeStamp.Format', 'a time of another form', async (live) => {
    const client = await live.newClient();
    await refused(client, 'InvalidTimeStamp.Format', { system: { Timestamp: 'Tue, 24 Nov 2026 12:00:00 GMT' } });
  }),
  row('error', 'InvalidTimeStamp.Expired', 'a time more than 15 minutes from the server’s', async (live) => {
    const client = await live.newClient();
    await refused(client, 'InvalidTimeStamp.Expired', { system: { Timestamp: '2016-02-23T12:46:24Z' } });
  }),
  row('error', 'InvalidAccessKeyId.NotFound', 'a key that the server does not know', async (live) => {
    const client = await live.newClient();
    for (const scheme of ['V1', 'V3'] as const) {
      await refused(client, 'InvalidAccessKeyId.NotFound', { scheme, key: { id: 'unknown', secret: 'x' } }, 404);
    }
  }),
  row('error', 'InvalidAccessKeyId.Inactive', 'a key that an operator disabled, from then on', async (live) => {
    const client = await live.newClient();
    const key = { accountId: client.accountId, id: client.key.id };
    await live.admin.store.accounts.setAccessKeyActive(key, false);
    await refused(client, 'InvalidAccessKeyId.Inactive', {});
    await live.admin.store.accounts.setAccessKeyActive(key, true);
    await client.ok(ACTION);
  }),
  row('error', 'MissingSecurityToken', 'a temporary key without its token', async (live) => {
    const client = await live.newClient();
    const { id, secret } = await live.newTemporaryKey(client);
    await refused(client, 'MissingSecurityToken', { key: { id, secret } });
  }),
  row('error', 'InvalidSecurityToken.Malformed', 'a token that none can be', async (live) => {
    const client = await live.newClient();
    const key = await live.newTemporaryKey(client);
    await refused(client, 'InvalidSecurityToken.Malformed', { key: { ...key, token: 'a b' } });
  }),
  row('error', 'InvalidSecurityToken.MismatchWithAccessKey', 'the token of another key', async (live) => {
    const client = await live.newClient();
    const [key, other] = [await live.newTemporaryKey(client), await live.newTemporaryKey(client)];
    await refused(client, 'InvalidSecurityToken.MismatchWithAccessKey', { key: { ...key, token: other.token } });
  }),
  row('error', 'InvalidSecurityToken.Expired', 'a temporary key after its end', async (live) => {
    const client = await live.newClient();
    const key = await live.newTemporaryKey(client, { isOver: true });
    await refused(client, 'InvalidSecurityToken.Expired', { key });
    await refused(client, 'InvalidSecurityToken.Expired', { ...V3, key });
  }),
  row('error', 'InvalidSignatureMethod', 'another way to sign than HMAC-SHA1 and ACS3-HMAC-SHA256', async (live) => {
    const client = await live.newClient();
    await refused(client, 'InvalidSignatureMethod', { system: { SignatureMethod: 'SHA256withRSA' } });
    const authorization = (text: string) => text.replace('ACS3-HMAC-SHA256', 'ACS3-RSA-SHA256');
    await refused(client, 'InvalidSignatureMethod', { ...V3, authorization });
    await refused(client, 'InvalidSignatureMethod', { ...V3, authorization: () => 'Bearer token' });
  }),
  row('error', 'SignatureDoesNotMatch', 'V1: ends with the string that the server signed', async (live) => {
    const client = await live.newClient();
    const key = { ...client.key, secret: 'wrong' };
    const message = await messageOf(client, 'SignatureDoesNotMatch', { key });
    const [text, stringToSign = ''] = message.split('server string to sign is:');
    assert.equal(text, 'Specified signature is not matched with our calculation. ');
    assert.match(stringToSign, /^POST&%2F&AccessKeyId%3D[^&]*%26Action%3DDescribeImageCaches%26[^&]*$/);
  }),
  row('error', 'SignatureDoesNotMatch', 'V3: shows the string and the canonical request', async (live) => {
    const client = await live.newClient();
    const message = await messageOf(client, 'SignatureDoesNotMatch', {
      ...V3,
      key: { ...client.key, secret: 'wrong' },
    });
    const [, hash, canonical = ''] =
      /server StringToSign is \[ACS3-HMAC-SHA256\n([0-9a-f]{64})\] server CanonicalRequest is \[(.*)\]$/s.exec(
        message,
      ) ?? [];
    assert.equal(createHash('sha256').update(canonical).digest('hex'), hash);
    assert.match(canonical, /^POST\n\/\nRegionId=cn-hangzhou\nhost:/);
  }),
  row(
    'error',
    'IncompleteSignature',
    'V3: a header Authorization that lacks something, or signs too little',
    async (live) => {
      const client = await live.newClient();
      for (const authorization of [
        (text: string) => text.replace(/,Signature=.*/, ''),
        (text: string) => text.replace(/SignedHeaders=[^,]*,/, ''),
        () => 'ACS3-HMAC-SHA256',
      ]) {
        await refused(client, 'IncompleteSignature', { ...V3, authorization });
      }
      const unsigned = (text: string) => text.replace('x-acs-date;', '');
      await refused(client, 'IncompleteSignature', { ...V3, authorization: unsigned });
    },
  ),
  row('error', 'SignatureNonceUsed', 'the same request again', async (live) => {
    const client = await live.newClient();
    for (const [scheme, name] of [
      ['V1', 'SignatureNonce'],
      ['V3', 'x-acs-signature-nonce'],
    ] as const) {
      const wire = { scheme, system: { [name]: `nonce-${scheme}` } };
      await client.ok(ACTION, {}, wire);
      await refused(client, 'SignatureNonceUsed', wire);
    }
  }),
  row('error', 'ContentMD5NotMatched', 'a Content-MD5 that is not that of the body', async (live) => {
    const client = await live.newClient();
    const headers = { 'content-md5': createHash('md5').update('other').digest('base64') };
    await refused(client, 'ContentMD5NotMatched', { place: 'form', headers });
    const none = { 'content-md5': createHash('md5').update('').digest('base64') };
    await client.ok(ACTION, {}, { headers: none });
  }),
];
