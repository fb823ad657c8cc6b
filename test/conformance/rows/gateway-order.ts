import assert from 'node:assert/strict';
import { type Client, codeOf, type Key, type Params, type Wire } from '../client.ts';
import type { Live } from '../live.ts';
import { GATEWAY, rowsOf } from '../row.ts';

const row = rowsOf(GATEWAY);

type Call = { readonly action: string; readonly params: Params; readonly wire: Wire };
/** One thing that is wrong with a call, and the refusal it gets. */
type Fault = {
  readonly code: string;
  readonly what: string;
  /** Faults of the same part of a call can't come together. */
  readonly part: string;
  readonly apply: (call: Call) => Call;
};

const inWire = (change: Wire) => (call: Call) => ({ ...call, wire: { ...call.wire, ...change } });
const inSystem = (name: string, value: string | null) => (call: Call) => ({
  ...call,
  wire: { ...call.wire, system: { ...call.wire.system, [name]: value } },
});

/** The faults of a V1 call in the order in which they are found; the caller is a RAM user who may do nothing. */
function faults(powerless: Key): readonly Fault[] {
  return [
    { code: 'UnsupportedHTTPMethod', what: 'the HTTP method', part: 'method', apply: inWire({ method: 'PUT' }) },
    { code: 'InvalidParameter.Format', what: 'the format', part: 'format', apply: inWire({ format: 'YAML' }) },
    {
      code: 'ContentMD5NotMatched',
      what: 'the hash of the body',
      part: 'body',
      apply: inWire({ place: 'form', headers: { 'content-md5': 'AAAA' } }),
    },
    { code: 'InvalidVersion', what: 'the version', part: 'version', apply: inWire({ version: 'latest' }) },
    {
      code: 'InvalidApi.NotFound',
      what: 'the operation',
      part: 'action',
      apply: (call) => ({ ...call, action: 'ExportImageCache' }),
    },
    {
      code: 'MissingAccessKeyId',
      what: 'whether there is an access key',
      part: 'key',
      apply: inSystem('AccessKeyId', null),
    },
    {
      code: 'MissingSignatureNonce',
      what: 'whether the other system parameters are there',
      part: 'nonce',
      apply: inSystem('SignatureNonce', null),
    },
    {
      code: 'InvalidTimeStamp.Format',
      what: 'the form of the time',
      part: 'time',
      apply: inSystem('Timestamp', 'now'),
    },
    {
      code: 'InvalidTimeStamp.Expired',
      what: 'the time',
      part: 'time',
      apply: inSystem('Timestamp', '2016-02-23T12:46:24Z'),
    },
    {
      code: 'InvalidAccessKeyId.NotFound',
      what: 'whether the access key is known',
      part: 'key',
      apply: inSystem('AccessKeyId', 'unknown'),
    },
    {
      code: 'InvalidSecurityToken.MismatchWithAccessKey',
      what: 'the security token',
      part: 'token',
      apply: inSystem('SecurityToken', 'needless'),
    },
    {
      code: 'InvalidSignatureMethod',
      what: 'the signature method',
      part: 'signature method',
      apply: inSystem('SignatureMethod', 'HMAC-MD5'),
    },
    {
      code: 'SignatureDoesNotMatch',
      what: 'the signature',
      part: 'signature',
      apply: inWire({ tamper: { Signature: 'AAAA' } }),
    },
    {
      code: 'SignatureNonceUsed',
      what: 'the nonce, once the signature is good',
      part: 'nonce',
      apply: inSystem('SignatureNonce', 'used'),
    },
    { code: 'NoPermission', what: 'the rights', part: 'caller', apply: inWire({ key: powerless }) },
    {
      code: 'InvalidLimit',
      what: 'the parameters of the operation',
      part: 'parameters',
      apply: (call) => ({ ...call, params: { ...call.params, Limit: 'ten' } }),
    },
    {
      code: 'Account.Arrearage',
      what: 'the state of the account',
      part: 'state',
      // The account is in arrears throughout.
      apply: (call) => call,
    },
  ];
}

/** An account in arrears, and the key of a user of it. */
async function newVictims(live: Live): Promise<{ client: Client; all: readonly Fault[] }> {
  const client = await live.newClient();
  const powerless = await live.newUser(client, 'powerless');
  for (const each of [client, powerless]) {
    await each.ok('DescribeEndpoints', { Id: 'x' }, { version: '2015-06-12', system: { SignatureNonce: 'used' } });
  }
  await live.admin.store.accounts.changeStates(client.accountId, { set: ['arrears'] });
  return { client, all: faults(powerless.key) };
}

/** For the names of rows alone. */
const NAMES = faults({ id: '', secret: '' });

/** Each fault is reported although the call has every later one too. */
export const gatewayOrder = NAMES.map(({ code, what }, place) =>
  row('order', String(place + 1).padStart(2, '0'), `${what}: ${code}`, async (live) => {
    const { client, all } = await newVictims(live);
    const [first, ...later] = all.slice(place);
    assert.ok(first);
    let call: Call = first.apply({ action: 'DescribeImageCaches', params: {}, wire: {} });
    const parts = new Set([first.part]);
    for (const fault of later) {
      if (parts.has(fault.part)) continue;
      parts.add(fault.part);
      call = fault.apply(call);
    }
    const answer = await client.call(call.action, call.params, call.wire);
    assert.equal(codeOf(answer), code, answer.body);
  }),
);
