import assert from 'node:assert/strict';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { type Answer, type Client, codeOf, type Params, send } from '../client.ts';
import { GATEWAY, type Row, rowsOf } from '../row.ts';
import { signedRequest } from '../signed-request.ts';

const row = rowsOf(GATEWAY);
const ACTION = 'DescribeImageCaches';
const REPLAYS = 10;
const MARKER = 'server string to sign is:';
const SCHEMES = ['V1', 'V3'] as const;
/** Characters that clients encode in different ways. */
const ODD_NAME = "a b+c*~é/中!'()";
const ODD: Params = { ImageCacheName: ODD_NAME };

const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const nowText = () => `${new Date().toISOString().slice(0, 19)}Z`;
const queryOf = (parameters: Readonly<Record<string, string>>) =>
  Object.keys(parameters)
    .toSorted()
    .map((name) => `${encode(name)}=${encode(parameters[name] ?? '')}`)
    .join('&');

/** The parameters of a V1 call, but Signature. */
function parametersV1(client: Client): Record<string, string> {
  return {
    Action: ACTION,
    Version: '2018-08-08',
    Format: 'JSON',
    AccessKeyId: client.key.id,
    SignatureMethod: 'HMAC-SHA1',
    SignatureVersion: '1.0',
    SignatureNonce: randomUUID(),
    Timestamp: nowText(),
    RegionId: client.regionId,
    'Tag.1.Key': 'k 1',
    'Tag.10.Key': 'ü',
    'Tag.2.Key': '*',
    'Tag.2.Value': '',
  };
}

/** The headers of a V3 call without a body, but Authorization. */
function headersV3(client: Client): Record<string, string> {
  return {
    host: client.endpoint,
    'x-acs-action': ACTION,
    'x-acs-version': '2018-08-08',
    'x-acs-date': nowText(),
    'x-acs-signature-nonce': randomUUID(),
    'x-acs-content-sha256': sha256(''),
  };
}

function authorizationV3(keyId: string, signedHeaders: string, signature: string): string {
  return `ACS3-HMAC-SHA256 Credential=${keyId},SignedHeaders=${signedHeaders},Signature=${signature}`;
}

function assertMismatch(answer: Answer): void {
  assert.deepEqual([answer.status, codeOf(answer)], [400, 'SignatureDoesNotMatch'], answer.body);
}

export const gatewaySignatures: readonly Row[] = [
  row('parameter', 'Signature', 'V1 as the vendor documents it, calculated a second time', async (live) => {
    const client = await live.newClient();
    for (const method of ['GET', 'POST']) {
      const parameters = parametersV1(client);
      const stringToSign = `${method}&%2F&${encode(queryOf(parameters))}`;
      const hmac = createHmac('sha1', `${client.key.secret}&`).update(stringToSign);
      const path = `/?${queryOf({ ...parameters, Signature: hmac.digest('base64') })}`;
      const answer = await send(client.endpoint, { method, path });
      assert.equal(codeOf(answer), 'OK');
    }
  }),
  row('parameter', 'Authorization', 'V3 as the vendor documents it, calculated a second time', async (live) => {
    const client = await live.newClient();
    for (const method of ['GET', 'POST']) {
      const headers = headersV3(client);
      const query = queryOf({ RegionId: client.regionId, ImageCacheName: ODD_NAME, 'Tag.1.Key': '' });
      // In any order, for example backwards.
      const names = Object.keys(headers).toSorted().toReversed();
      const canonical = [
        method,
        '/',
        query,
        ...names.map((name) => `${name}:${headers[name]}`),
        '',
        names.join(';'),
        sha256(''),
      ].join('\n');
      const hmac = createHmac('sha256', client.key.secret).update(`ACS3-HMAC-SHA256\n${sha256(canonical)}`);
      const authorization = authorizationV3(client.key.id, names.join(';'), hmac.digest('hex'));
      const answer = await send(client.endpoint, {
        method,
        path: `/?${query}`,
        headers: { ...headers, authorization },
      });
      assert.equal(codeOf(answer), 'OK', answer.body);
    }
  }),
  row(
    'error',
    'SignatureDoesNotMatch',
    'V1: what follows the colon is the string, to its last letter',
    async (live) => {
      const client = await live.newClient();
      for (const method of ['GET', 'POST']) {
        const parameters = parametersV1(client);
        const path = `/?${queryOf({ ...parameters, Signature: 'AAAA' })}`;
        const answer = await send(client.endpoint, { method, path });
        assertMismatch(answer);
        const { Message } = answer.json;
        assert.equal(
          Message,
          `Specified signature is not matched with our calculation. ${MARKER}${method}&%2F&${encode(queryOf(parameters))}`,
        );
        // Python's old client takes what follows the first colon.
        assert.ok(Message.split(':')[1]?.startsWith(method));
      }
    },
  ),
  row('error', 'SignatureDoesNotMatch', 'V3: the string and the canonical request, letter by letter', async (live) => {
    const client = await live.newClient();
    const headers = headersV3(client);
    const names = Object.keys(headers).toSorted();
    const query = queryOf({ RegionId: client.regionId, ImageCacheName: ODD_NAME });
    const lines = names.map((name) => `${name}:${headers[name]}`);
    const canonical = ['POST', '/', query, ...lines, '', names.join(';'), sha256('')].join('\n');
    const authorization = authorizationV3(client.key.id, names.join(';'), '0'.repeat(64));
    const answer = await send(client.endpoint, {
      method: 'POST',
      path: `/?${query}`,
      headers: { ...headers, authorization },
    });
    assertMismatch(answer);
    assert.equal(
      answer.json.Message,
      `Specified signature does not match our calculation. server StringToSign is [ACS3-HMAC-SHA256\n${sha256(canonical)}] server CanonicalRequest is [${canonical}]`,
    );
  }),
  ...SCHEMES.map((scheme) =>
    row('error', 'SignatureDoesNotMatch', `${scheme}: another method, query or body than was signed`, async (live) => {
      const client = await live.newClient();
      const name = { ImageCacheName: 'one' };
      const inQuery = await signedRequest(client, ACTION, name, { scheme });
      assertMismatch(await send(live.endpoint, { ...inQuery, method: 'GET' }));
      assertMismatch(await send(live.endpoint, { ...inQuery, path: inQuery.path.replace('=one', '=two') }));
      assertMismatch(await send(live.endpoint, { ...inQuery, path: inQuery.path.replace('ImageCacheName=one&', '') }));
      assertMismatch(await send(live.endpoint, { ...inQuery, path: `${inQuery.path}&Limit=1` }));
      // Its content type is not signed either, which V3 finds first.
      const added = await send(live.endpoint, { ...inQuery, body: 'Limit=1' });
      assert.equal(codeOf(added), scheme === 'V1' ? 'SignatureDoesNotMatch' : 'IncompleteSignature');
      const inForm = await signedRequest(client, ACTION, name, { scheme, place: 'form' });
      assertMismatch(await send(live.endpoint, { ...inForm, body: inForm.body.replace('=one', '=two') }));
      assertMismatch(await send(live.endpoint, { ...inForm, body: `${inForm.body}&Limit=1` }));
      for (const untouched of [inQuery, inForm]) assert.equal(codeOf(await send(live.endpoint, untouched)), 'OK');
    }),
  ),
  row(
    'error',
    'SignatureDoesNotMatch',
    'V3: another operation, version, date or nonce than was signed',
    async (live) => {
      const client = await live.newClient();
      const signed = await signedRequest(client, 'ListUsage', {}, { scheme: 'V3' });
      const another = {
        'x-acs-action': ACTION,
        'x-acs-version': '2014-05-26',
        'x-acs-date': (signed.headers['x-acs-date'] ?? '').replace(/\d(?=Z$)/, nextDigit),
        'x-acs-signature-nonce': randomUUID(),
        'x-acs-content-sha256': sha256('x'),
      };
      for (const [header, value] of Object.entries(another)) {
        assertMismatch(await send(live.endpoint, { ...signed, headers: { ...signed.headers, [header]: value } }));
      }
    },
  ),
  ...SCHEMES.map((scheme) =>
    row('error', 'SignatureNonceUsed', `${scheme}: of ten copies at once exactly one is served`, async (live) => {
      const client = await live.newClient();
      const signed = await signedRequest(client, ACTION, {}, { scheme });
      const answers = await Promise.all(Array.from({ length: REPLAYS }, () => send(live.endpoint, signed)));
      const codes = answers.map(codeOf);
      assert.equal(codes.filter((code) => code === 'OK').length, 1);
      assert.equal(codes.filter((code) => code === 'SignatureNonceUsed').length, REPLAYS - 1);
    }),
  ),
  row('error', 'SignatureNonceUsed', 'not after a wrong signature, in either scheme', async (live) => {
    const client = await live.newClient();
    for (const scheme of SCHEMES) {
      const signed = await signedRequest(client, ACTION, {}, { scheme });
      assertMismatch(await send(live.endpoint, { ...signed, path: `${signed.path}&Limit=1` }));
      assert.equal(codeOf(await send(live.endpoint, signed)), 'OK');
    }
  }),
  ...SCHEMES.map((scheme) =>
    row('format', 'escapes', `${scheme}: as Go, Java, Python and Node write them, in any order`, async (live) => {
      const client = await live.newClient();
      const id = await client.create(ODD);
      const rewrites: readonly ((query: string) => string)[] = [
        (query) => query.replaceAll('%20', '+'),
        (query) => query.replaceAll('%2A', '*'),
        (query) => query.replaceAll('~', '%7E'),
        (query) => query.replaceAll('%21', '!').replaceAll('%27', "'").replaceAll('%28', '(').replaceAll('%29', ')'),
        (query) => query.replaceAll(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase()),
        (query) => query.split('&').toReversed().join('&'),
        (query) => `&${query}&&`,
      ];
      for (const rewrite of rewrites) {
        const signed = await signedRequest(client, ACTION, ODD, { scheme });
        const [path = '', query = ''] = signed.path.split('?');
        assert.notEqual(rewrite(query), query);
        const answer = await send(live.endpoint, { ...signed, path: `${path}?${rewrite(query)}` });
        assert.equal(answer.json.ImageCaches?.[0]?.ImageCacheId, id, answer.body);
      }
    }),
  ),
];

function nextDigit(digit: string): string {
  return String((Number(digit) + 1) % 10);
}
