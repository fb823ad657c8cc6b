import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Client, codeOf, type Wire } from '../client.ts';
import { GATEWAY, rowsOf } from '../row.ts';

const row = rowsOf(GATEWAY);
const ACTION = 'DescribeImageCaches';
const V3 = { scheme: 'V3' } as const;
const MINUTE_MS = 60_000;

/** What a call that reads is answered: `OK`, or the code of the refusal. */
async function outcome(client: Client, wire: Wire, params: Parameters<Client['call']>[1] = {}): Promise<string> {
  return codeOf(await client.call(ACTION, params, wire));
}

const withSystem = (system: NonNullable<Wire['system']>): Wire => ({ system });

/** A time as the wire has it, so far from now. */
function timeIn(ms: number): string {
  return new Date(Date.now() + ms).toISOString().replace(/\.\d+/, '');
}

export const gatewayParameters = [
  row('parameter', 'Action', 'is mandatory, in the query or in a form', async (live) => {
    const client = await live.newClient();
    for (const place of ['query', 'form', 'mixed'] as const) assert.equal(await outcome(client, { place }), 'OK');
    assert.equal(await outcome(client, { method: 'GET' }), 'OK');
    assert.equal(await outcome(client, withSystem({ Action: null })), 'MissingAction');
    assert.equal(await outcome(client, withSystem({ Action: 'describeimagecaches' })), 'InvalidApi.NotFound');
  }),
  row('parameter', 'Version', 'is mandatory; another version of the same form is served all the same', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, withSystem({ Version: null })), 'MissingVersion');
    assert.equal(await outcome(client, { version: 'latest' }), 'InvalidVersion');
    assert.equal(await outcome(client, { version: '2014-05-26' }), 'OK');
  }),
  row('parameter', 'Format', 'JSON or XML in any case; XML when a V1 caller names none', async (live) => {
    const client = await live.newClient();
    const typeOf = async (format: string | null) => (await client.call(ACTION, {}, { format })).headers['content-type'];
    for (const format of ['JSON', 'json', 'Json']) {
      assert.equal(await typeOf(format), 'application/json;charset=utf-8');
    }
    for (const format of ['XML', 'xml', null]) assert.equal(await typeOf(format), 'text/xml;charset=utf-8');
    assert.equal(await outcome(client, { format: 'YAML' }), 'InvalidParameter.Format');
  }),
  row('parameter', 'AccessKeyId', 'is mandatory, and a key of this server', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, withSystem({ AccessKeyId: null })), 'MissingAccessKeyId');
    const key = { ...client.key, id: 'nobody' };
    assert.equal(await outcome(client, { key }), 'InvalidAccessKeyId.NotFound');
    assert.equal(await outcome(client, { ...V3, key }), 'InvalidAccessKeyId.NotFound');
  }),
  row('parameter', 'SignatureMethod', 'is HMAC-SHA1', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, withSystem({ SignatureMethod: null })), 'MissingSignatureMethod');
    for (const SignatureMethod of ['HMAC-SHA256', 'HMAC-MD5', 'hmac-sha1']) {
      assert.equal(await outcome(client, withSystem({ SignatureMethod })), 'InvalidSignatureMethod');
    }
  }),
  row('parameter', 'SignatureVersion', 'is 1.0', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, withSystem({ SignatureVersion: null })), 'MissingSignatureVersion');
    assert.equal(await outcome(client, withSystem({ SignatureVersion: '2.0' })), 'InvalidSignatureVersion');
  }),
  row('parameter', 'SignatureType', 'may be there, empty and signed; other types are not taken', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, withSystem({ SignatureType: '' })), 'OK');
    for (const SignatureType of ['BEARERTOKEN', 'PRIVATEKEY']) {
      assert.equal(await outcome(client, withSystem({ SignatureType })), 'InvalidSignatureMethod');
    }
  }),
  row('parameter', 'SignatureNonce', 'is mandatory, and good for one call of a key', async (live) => {
    const [client, other] = [await live.newClient(), await live.newClient()];
    assert.equal(await outcome(client, withSystem({ SignatureNonce: null })), 'MissingSignatureNonce');
    const used = withSystem({ SignatureNonce: randomUUID() });
    assert.equal(await outcome(client, used), 'OK');
    assert.equal(await outcome(client, used), 'SignatureNonceUsed');
    assert.equal(await outcome(other, used), 'OK');
    assert.equal(await outcome(client, withSystem({ SignatureNonce: 'x'.repeat(129) })), 'InvalidSignatureNonce');
  }),
  row('parameter', 'SignatureNonce', 'is not used up by a call with a wrong signature', async (live) => {
    const client = await live.newClient();
    const system = { SignatureNonce: randomUUID() };
    assert.equal(await outcome(client, { system, tamper: { Signature: 'AAAA' } }), 'SignatureDoesNotMatch');
    assert.equal(await outcome(client, { system }), 'OK');
  }),
  row('parameter', 'Timestamp', 'is mandatory, UTC to the second, and within 15 minutes of now', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, withSystem({ Timestamp: null })), 'MissingTimestamp');
    const iso = new Date().toISOString();
    for (const Timestamp of ['now', iso, iso.replace('T', ' '), `${iso.slice(0, 19)}+00:00`, '2026-02-30T00:00:00Z']) {
      assert.equal(await outcome(client, withSystem({ Timestamp })), 'InvalidTimeStamp.Format', Timestamp);
    }
    for (const [minutes, expected] of [
      [-16, 'InvalidTimeStamp.Expired'],
      [-14, 'OK'],
      [14, 'OK'],
      [16, 'InvalidTimeStamp.Expired'],
    ] as const) {
      assert.equal(await outcome(client, withSystem({ Timestamp: timeIn(minutes * MINUTE_MS) })), expected);
    }
  }),
  row('parameter', 'Timestamp', 'may be spelt TimeStamp, as old documents do', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, withSystem({ Timestamp: null, TimeStamp: timeIn(0) })), 'OK');
  }),
  row(
    'parameter',
    'Signature',
    'covers the method and every other parameter, in the query and in a form',
    async (live) => {
      const client = await live.newClient();
      for (const place of ['query', 'form', 'mixed'] as const) {
        const tamper = { ImageCacheName: 'other' };
        assert.equal(await outcome(client, { place, tamper }, { ImageCacheName: 'one' }), 'SignatureDoesNotMatch');
        assert.equal(await outcome(client, { place, tamper: { Added: 'x' } }), 'SignatureDoesNotMatch');
      }
      assert.equal(await outcome(client, { key: { ...client.key, secret: 'wrong' } }), 'SignatureDoesNotMatch');
    },
  ),
  row('parameter', 'Signature', 'is taken over decoded text: any character, in any legal escape', async (live) => {
    const client = await live.newClient();
    const ImageCacheName = "a b+c*~é/中!'()&=%";
    for (const scheme of ['V1', 'V3'] as const) {
      for (const place of ['query', 'form'] as const) {
        assert.equal(
          await outcome(client, { scheme, place }, { ImageCacheName, Tag: [{ Key: 'k', Value: '' }] }),
          'OK',
        );
      }
    }
  }),
  row('parameter', 'SecurityToken', 'is mandatory with a temporary key, and must be its own', async (live) => {
    const client = await live.newClient();
    const temporary = await live.newTemporaryKey(client);
    assert.equal(await outcome(client, { key: temporary }), 'OK');
    assert.equal(await outcome(client, { ...V3, key: temporary }), 'OK');
    const { token: _, ...bare } = temporary;
    assert.equal(await outcome(client, { key: bare }), 'MissingSecurityToken');
    const mismatch = 'InvalidSecurityToken.MismatchWithAccessKey';
    assert.equal(await outcome(client, { key: { ...bare, token: 'another' } }), mismatch);
    assert.equal(await outcome(client, { key: { ...client.key, token: 'needless' } }), mismatch);
  }),
  ...[
    'SourceIp',
    'SecureTransport',
    'OwnerId',
    'OwnerAccount',
    'ResourceOwnerId',
    'ResourceOwnerAccount',
    'VkClientVersion',
  ].map((name) =>
    row('parameter', name, 'is signed with the rest, and has no effect', async (live) => {
      const client = await live.newClient();
      assert.equal(await outcome(client, {}, { [name]: '127.0.0.9' }), 'OK');
      assert.equal(await outcome(client, { tamper: { [name]: 'x' } }), 'SignatureDoesNotMatch');
    }),
  ),
  row('parameter', 'DryRun', 'true or false, of every operation', async (live) => {
    const client = await live.newClient();
    assert.equal(await outcome(client, {}, { DryRun: 'false' }), 'OK');
    assert.equal(await outcome(client, {}, { DryRun: 'True' }), 'DryRunOperation');
    assert.equal(await outcome(client, {}, { DryRun: '1' }), 'InvalidDryRun');
  }),
  row('parameter', 'x-acs-action', 'is mandatory with V3, in the header or as the parameter Action', async (live) => {
    const client = await live.newClient();
    const without = { ...V3, system: { 'x-acs-action': null } };
    assert.equal(await outcome(client, without), 'MissingAction');
    assert.equal(await outcome(client, without, { Action: ACTION }), 'OK');
    assert.equal(await outcome(client, V3, { Action: 'CreateImageCache' }), 'OK', 'the header wins');
  }),
  row('parameter', 'x-acs-action', 'does not count with V1, whose signature does not cover it', async (live) => {
    const client = await live.newClient();
    const { status, json } = await client.call(ACTION, {}, { headers: { 'x-acs-action': 'CreateImageCache' } });
    assert.deepEqual([status, json.TotalCount], [200, 0]);
    const headers = { 'x-acs-action': ACTION };
    assert.equal(await outcome(client, { headers, system: { Action: null } }), 'MissingAction');
  }),
  row('parameter', 'x-acs-version', 'is mandatory with V3, in the header or as the parameter Version', async (live) => {
    const client = await live.newClient();
    const without = { ...V3, system: { 'x-acs-version': null } };
    assert.equal(await outcome(client, without), 'MissingVersion');
    assert.equal(await outcome(client, without, { Version: '2018-08-08' }), 'OK');
  }),
  row('parameter', 'x-acs-date', 'is mandatory with V3; the same form and window as Timestamp', async (live) => {
    const client = await live.newClient();
    const at = (date: string | null) => outcome(client, { ...V3, system: { 'x-acs-date': date } });
    assert.equal(await at(null), 'MissingDate');
    assert.equal(await at('yesterday'), 'InvalidTimeStamp.Format');
    assert.equal(await at(timeIn(-16 * MINUTE_MS)), 'InvalidTimeStamp.Expired');
    assert.equal(await at(timeIn(14 * MINUTE_MS)), 'OK');
  }),
  row('parameter', 'x-acs-signature-nonce', 'is mandatory with V3, and good for one call', async (live) => {
    const client = await live.newClient();
    const system = (nonce: string | null) => ({ ...V3, system: { 'x-acs-signature-nonce': nonce } });
    assert.equal(await outcome(client, system(null)), 'MissingSignatureNonce');
    const nonce = randomUUID();
    assert.deepEqual(
      [await outcome(client, system(nonce)), await outcome(client, system(nonce))],
      ['OK', 'SignatureNonceUsed'],
    );
  }),
  row('parameter', 'x-acs-content-sha256', 'is mandatory with V3, and the hash of the body', async (live) => {
    const client = await live.newClient();
    const system = (hash: string | null) => ({
      ...V3,
      place: 'form' as const,
      system: { 'x-acs-content-sha256': hash },
    });
    assert.equal(await outcome(client, system(null)), 'MissingContentSha256');
    assert.equal(await outcome(client, system('0'.repeat(64))), 'SignatureDoesNotMatch');
    assert.equal(await outcome(client, { ...V3, place: 'form' }), 'OK');
  }),
  row('parameter', 'x-acs-security-token', 'is mandatory with a temporary key', async (live) => {
    const client = await live.newClient();
    const { token: _, ...bare } = await live.newTemporaryKey(client);
    assert.equal(await outcome(client, { ...V3, key: bare }), 'MissingSecurityToken');
  }),
  row('parameter', 'Authorization', 'V3: what its SignedHeaders name is what is checked', async (live) => {
    const client = await live.newClient();
    const signed = { accept: 'application/json', 'user-agent': 'Python' };
    assert.equal(await outcome(client, { ...V3, system: signed }), 'OK', 'more than is needed');
    assert.equal(await outcome(client, { ...V3, system: { host: null } }), 'OK', 'the Java client leaves host out');
    assert.equal(
      await outcome(client, { ...V3, system: signed, tamper: { 'user-agent': 'Go' } }),
      'SignatureDoesNotMatch',
    );
    assert.equal(await outcome(client, { ...V3, tamper: { 'x-acs-extra': 'unsigned' } }), 'OK');
  }),
  row('parameter', 'Authorization', 'V3: its fields in any order, as the Java client has them', async (live) => {
    const client = await live.newClient();
    const reorder = (text: string) => {
      const [algorithm, fields = ''] = text.split(' ');
      const [credential, signedHeaders, signature] = fields.split(',');
      return `${algorithm} ${credential},${signature},${signedHeaders}`;
    };
    assert.equal(await outcome(client, { ...V3, authorization: reorder }), 'OK');
  }),
  row('parameter', 'Accept', 'V3: chooses the format; JSON when the caller does not care', async (live) => {
    const client = await live.newClient();
    const typeOf = async (format: string | null) =>
      (await client.call(ACTION, {}, { ...V3, format })).headers['content-type'];
    for (const format of ['application/json', '*/*', null]) {
      assert.equal(await typeOf(format), 'application/json;charset=utf-8', String(format));
    }
    for (const format of ['application/xml', 'text/xml']) {
      assert.equal(await typeOf(format), 'text/xml;charset=utf-8');
    }
    assert.equal(await outcome(client, { ...V3, format: 'image/png' }), 'InvalidParameter.Accept');
  }),
];
