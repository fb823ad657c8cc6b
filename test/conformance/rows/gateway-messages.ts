import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type Answer, type Client, type Params, send, type Wire } from '../client.ts';
import type { Live } from '../live.ts';
import { GATEWAY, type Row, rowsOf } from '../row.ts';
import { one } from '../xml.ts';

const row = rowsOf(GATEWAY);
const ACTION = 'DescribeImageCaches';
const V3 = { scheme: 'V3' } as const;
const mandatory = (name: string) => `${name} is mandatory for this action.`;
const API_NOT_FOUND = 'Specified api is not found, please check your url and method.';
const KEY_NOT_FOUND = 'Specified access key is not found.';
const NOT_CONFORMING = 'The request signature does not conform to Aliyun standards.';
const METHOD_NOT_VALID = 'Specified signature method is not valid.';
const NO_METHOD = 'This http method is not supported.';
const EXPIRED = 'Specified time stamp or date value is expired.';
const BAD_TIME = 'Specified time stamp or date value is not well formatted.';
const LONG_AGO = '2016-02-23T12:46:24Z';

type Refusal = {
  readonly what: string;
  readonly status?: 400 | 404;
  readonly code: string;
  readonly message: string;
  readonly action?: string;
  readonly params?: Params;
  /** Either this, or what `wireFor` makes of a client. */
  readonly wire?: Wire;
  readonly wireFor?: (client: Client, live: Live) => Promise<Wire>;
};

/** V1: a system parameter is left out, or empty. */
const missingV1: readonly Refusal[] = [
  'Action',
  'Version',
  'AccessKeyId',
  'SignatureMethod',
  'SignatureVersion',
  'SignatureNonce',
  'Timestamp',
].flatMap((name) =>
  [null, ''].map((value) => ({
    what: `V1 with ${value === null ? 'no' : 'an empty'} ${name}`,
    code: `Missing${name}`,
    message: mandatory(name),
    wire: { system: { [name]: value } },
  })),
);

/** V3: a header is left out. */
const missingV3: readonly Refusal[] = Object.entries({
  'x-acs-action': 'Action',
  'x-acs-version': 'Version',
  'x-acs-signature-nonce': 'SignatureNonce',
  'x-acs-date': 'Date',
  'x-acs-content-sha256': 'ContentSha256',
}).map(([header, name]) => ({
  what: `V3 without the header ${header}`,
  code: `Missing${name}`,
  message: mandatory(name),
  wire: { ...V3, system: { [header]: null } },
}));

const requests: readonly Refusal[] = [
  { what: 'V1, PUT', code: 'UnsupportedHTTPMethod', message: NO_METHOD, wire: { method: 'PUT' } },
  { what: 'V3, DELETE', code: 'UnsupportedHTTPMethod', message: NO_METHOD, wire: { ...V3, method: 'DELETE' } },
  {
    what: 'V1 with Format=CSV',
    code: 'InvalidParameter.Format',
    message: 'Specified parameter format is not valid.',
    wire: { format: 'CSV' },
  },
  {
    what: 'V3 with Accept: text/csv',
    code: 'InvalidParameter.Accept',
    message: 'Specified parameter accept is not valid.',
    wire: { ...V3, format: 'text/csv' },
  },
  ...[{}, V3].map((wire: Wire) => ({
    what: `${wire.scheme ?? 'V1'}, an operation of containers`,
    status: 404 as const,
    code: 'InvalidApi.NotFound',
    message: API_NOT_FOUND,
    action: 'CreateContainerGroup',
    wire,
  })),
  ...[{}, V3].map((wire: Wire) => ({
    what: `${wire.scheme ?? 'V1'}, a version that is no date`,
    code: 'InvalidVersion',
    message: 'Specified parameter Version is not valid.',
    wire: { ...wire, version: '1' },
  })),
  {
    what: 'a form whose hash is another',
    code: 'ContentMD5NotMatched',
    message: 'Specified content md5 is not matched with the content.',
    wire: { place: 'form', headers: { 'content-md5': '1B2M2Y8AsgTpgAmY7PhCfg==' } },
  },
];

const keysAndTimes: readonly Refusal[] = [
  ...[{}, V3].map((wire: Wire) => ({
    what: `${wire.scheme ?? 'V1'}, nobody’s key`,
    status: 404 as const,
    code: 'InvalidAccessKeyId.NotFound',
    message: KEY_NOT_FOUND,
    wire: { ...wire, key: { id: 'LTAInobody', secret: 'x' } },
  })),
  ...[{}, V3].map((wire: Wire) => ({
    what: `${wire.scheme ?? 'V1'}, a key that was disabled`,
    code: 'InvalidAccessKeyId.Inactive',
    message: 'Specified access key is disabled.',
    wireFor: async (client: Client, live: Live) => {
      const key = { accountId: client.accountId, id: client.key.id };
      await live.admin.store.accounts.setAccessKeyActive(key, false);
      return wire;
    },
  })),
  { what: 'V1', code: 'InvalidTimeStamp.Format', message: BAD_TIME, wire: { system: { Timestamp: 'now' } } },
  { what: 'V3', code: 'InvalidTimeStamp.Format', message: BAD_TIME, wire: { ...V3, system: { 'x-acs-date': 'now' } } },
  { what: 'V1', code: 'InvalidTimeStamp.Expired', message: EXPIRED, wire: { system: { Timestamp: LONG_AGO } } },
  {
    what: 'V3',
    code: 'InvalidTimeStamp.Expired',
    message: EXPIRED,
    wire: { ...V3, system: { 'x-acs-date': LONG_AGO } },
  },
  ...[
    { name: 'SignatureNonce', wire: {} },
    { name: 'x-acs-signature-nonce', wire: V3 },
  ].map(({ name, wire }) => ({
    what: `${name} of an earlier call`,
    code: 'SignatureNonceUsed',
    message: 'Specified signature nonce was used already.',
    wireFor: async (client: Client) => {
      const used: Wire = { ...wire, system: { [name]: randomUUID() } };
      await client.ok(ACTION, {}, used);
      return used;
    },
  })),
];

const tokens: readonly Refusal[] = ([{}, V3] as const).flatMap((wire: Wire) => {
  const scheme = wire.scheme ?? 'V1';
  return [
    {
      what: `${scheme}, a temporary key alone`,
      code: 'MissingSecurityToken',
      message: mandatory('SecurityToken'),
      wireFor: async (client: Client, live: Live) => {
        const { id, secret } = await live.newTemporaryKey(client);
        return { ...wire, key: { id, secret } };
      },
    },
    {
      what: `${scheme}, letters that no token has`,
      code: 'InvalidSecurityToken.Malformed',
      message: 'Specified SecurityToken is malformed.',
      wireFor: async (client: Client, live: Live) => ({
        ...wire,
        key: { ...(await live.newTemporaryKey(client)), token: 'a b' },
      }),
    },
    {
      what: `${scheme}, a token with a key that is not temporary`,
      code: 'InvalidSecurityToken.MismatchWithAccessKey',
      message: 'Specified SecurityToken mismatch with the AccessKey.',
      wireFor: async (client: Client, live: Live) => ({
        ...wire,
        key: { ...client.key, token: (await live.newTemporaryKey(client)).token },
      }),
    },
    {
      what: `${scheme}, after its end`,
      code: 'InvalidSecurityToken.Expired',
      message: 'Specified SecurityToken is expired.',
      wireFor: async (client: Client, live: Live) => ({
        ...wire,
        key: await live.newTemporaryKey(client, { isOver: true }),
      }),
    },
  ];
});

const signatures: readonly Refusal[] = [
  ...['HMAC-SHA256', 'SHA256withRSA'].map((SignatureMethod) => ({
    what: `V1 with SignatureMethod ${SignatureMethod}`,
    code: 'InvalidSignatureMethod',
    message: METHOD_NOT_VALID,
    wire: { system: { SignatureMethod } },
  })),
  ...['ACS3-HMAC-SM3', 'ACS3-RSA-SHA256'].map((algorithm) => ({
    what: `V3 with ${algorithm}`,
    code: 'InvalidSignatureMethod',
    message: METHOD_NOT_VALID,
    wire: { ...V3, authorization: (text: string) => text.replace('ACS3-HMAC-SHA256', algorithm) },
  })),
  {
    what: 'a V4 signature',
    code: 'InvalidSignatureMethod',
    message: METHOD_NOT_VALID,
    wire: { ...V3, authorization: (text: string) => text.replace('ACS3-', 'ACS4-') },
  },
  {
    what: 'V1 with SignatureVersion 2.0',
    code: 'InvalidSignatureVersion',
    message: 'Specified parameter SignatureVersion is not valid.',
    wire: { system: { SignatureVersion: '2.0' } },
  },
  ...['Credential', 'SignedHeaders', 'Signature'].map((field) => ({
    what: `V3 without ${field}`,
    code: 'IncompleteSignature',
    message: NOT_CONFORMING,
    wire: { ...V3, authorization: (text: string) => text.replace(`${field}=`, `no${field}=`) },
  })),
  ...['x-acs-action', 'x-acs-version', 'x-acs-date', 'x-acs-signature-nonce'].map((header) => ({
    what: `V3 that does not sign ${header}`,
    code: 'IncompleteSignature',
    message: NOT_CONFORMING,
    wire: {
      ...V3,
      authorization: (text: string) => text.replace(new RegExp(`(?<=[=;])${header}(;|(?=,))`), ''),
    },
  })),
];

const parameters: readonly Refusal[] = [
  ...[{}, V3].map((wire: Wire) => ({
    what: `${wire.scheme ?? 'V1'} without what the operation needs`,
    code: 'MissingImageCacheId',
    message: mandatory('ImageCacheId'),
    action: 'DeleteImageCache',
    wire,
  })),
  {
    what: 'DryRun, when all else is good',
    code: 'DryRunOperation',
    message: 'Request validation has been passed with DryRun flag set.',
    params: { DryRun: true },
  },
];

function contentOf(answer: Answer): { code: string; message: string } {
  if (answer.body.startsWith('{')) return { code: answer.json.Code, message: answer.json.Message };
  return { code: one(answer.xml, 'Code'), message: one(answer.xml, 'Message') };
}

const REFUSALS = [
  ...missingV1,
  ...missingV3,
  ...requests,
  ...keysAndTimes,
  ...tokens,
  ...signatures,
  ...parameters,
] satisfies readonly Refusal[];

/** Every refusal of the gateway as it comes over the wire: status, code and text. */
export const gatewayMessages: readonly Row[] = [
  ...REFUSALS.map(({ what, status = 400, code, message, action = ACTION, params = {}, wire = {}, wireFor }: Refusal) =>
    row('error', code, `${what}: ${status}, “${message}”`, async (live) => {
      const client = await live.newClient();
      const answer = await client.call(action, params, wireFor ? await wireFor(client, live) : wire);
      assert.deepEqual({ status: answer.status, ...contentOf(answer) }, { status, code, message });
    }),
  ),
  row('error', 'MissingAccessKeyId', 'unsigned, as each of the vendor’s clients sends it', async (live) => {
    const path = `/?Action=${ACTION}&Version=2018-08-08&RegionId=${live.regionId}`;
    for (const headers of [{ accept: 'application/json' }, { accept: 'application/xml' }, {}]) {
      const answer = await send(live.endpoint, { method: 'POST', path, headers });
      const expected = { status: 400, code: 'MissingAccessKeyId', message: mandatory('AccessKeyId') };
      assert.deepEqual({ status: answer.status, ...contentOf(answer) }, expected);
    }
  }),
  row('error', 'MissingSignature', 'V1 with a key and without a signature, absent or empty', async (live) => {
    const client = await live.newClient();
    const expected = { status: 400, code: 'MissingSignature', message: mandatory('Signature') };
    for (const Signature of [null, '']) await client.refused(ACTION, {}, expected, { system: { Signature } });
    const unsigned = { system: { Signature: null, AccessKeyId: null } };
    await client.refused(ACTION, {}, { status: 400, code: 'MissingAccessKeyId' }, unsigned);
  }),
  row('error', 'InvalidSignatureMethod', 'bearer tokens, in headers or parameters', async (live) => {
    const path = `/?Action=${ACTION}&Version=2018-08-08&RegionId=${live.regionId}`;
    const expected = { status: 400, code: 'InvalidSignatureMethod', message: METHOD_NOT_VALID };
    for (const [extra, headers] of [
      ['', { 'x-acs-bearer-token': 'x' }],
      ['', { 'x-acs-zero-trust-idtoken': 'x' }],
      ['', { authorization: 'Bearer x' }],
      ['&SignatureType=BEARERTOKEN&BearerToken=x', {}],
    ] as const) {
      const answer = await send(live.endpoint, { method: 'POST', path: path + extra, headers });
      assert.deepEqual({ status: answer.status, ...contentOf(answer) }, expected);
    }
  }),
  row('parameter', 'Version', 'an unknown one is served, and warned of once in the server’s log', async (live) => {
    const client = await live.newClient();
    const version = '2099-12-31';
    for (const scheme of ['V1', 'V3'] as const) {
      assert.deepEqual((await client.ok(ACTION, {}, { scheme, version })).ImageCaches, []);
    }
    const lines = live.log().filter((line) => line.includes(version));
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /unknown API version/);
  }),
];
