import assert from 'node:assert/strict';
import {
  attachPolicy,
  createAccessKey,
  createIdentity,
  createResourceGroup,
  findAccount,
  issueToken,
  openDiagnosis,
  putPolicy,
} from '../../../src/server/index.ts';
import type { Client } from '../client.ts';
import type { Live } from '../live.ts';
import { GATEWAY, type Row, rowsOf } from '../row.ts';

const row = rowsOf(GATEWAY);
const ACTION = 'DescribeImageCaches';
const NO_PERMISSION = { status: 403, code: 'NoPermission' };
const LOCATION = { version: '2015-06-12' };

type Detail = Readonly<Record<string, string>>;

/** A policy of one statement about everything. */
const document = (Effect: 'Allow' | 'Deny', Action: string) =>
  JSON.stringify({ Version: '1', Statement: [{ Effect, Action, Resource: '*' }] });

/** A RAM user of a new account, with these policies. */
async function newUser(live: Live, ...policies: string[]) {
  const root = await live.newClient();
  const account = await findAccount(live.admin, root.accountId);
  const user = await createIdentity(live.admin, account, { type: 'user', name: 'caller' });
  for (const [index, text] of policies.entries()) {
    const policyName = `policy-${index}`;
    await putPolicy(live.admin, account, { name: policyName, document: text });
    await attachPolicy(live.admin, account, { identityId: user.id, policyName });
  }
  return { account, user, client: root.withKey(await createAccessKey(live.admin, { account, user })) };
}

/** The AccessDeniedDetail of a call that reads, without the message that is for the operator alone. */
async function detailOf(client: Client): Promise<Detail> {
  const { json } = await client.refused(ACTION, {}, NO_PERMISSION);
  const { EncodedDiagnosticMessage, ...detail } = json.AccessDeniedDetail;
  assert.match(EncodedDiagnosticMessage, /^[A-Za-z0-9+/]+=*$/);
  return detail;
}

const PRECEDENCE = [
  ['arrears', 'Account.Arrearage'],
  ['service-not-enabled', 'ServiceNotEnabled'],
  ['business-status', 'Forbidden.UserBussinessStatus'],
  ['not-real-name', 'Forbidden.UserNotRealNameAuthentication'],
  ['sub-user-restricted', 'Forbidden.SubUser'],
] as const;

export const gatewayAccounts: readonly Row[] = [
  row('field', 'AccessDeniedDetail', 'of a RAM user whom no policy allows it', async (live) => {
    const { account, user, client } = await newUser(live);
    const resource = `acs:eci:${client.regionId}:${account.id}:imagecache/*`;
    assert.deepEqual(await detailOf(client), {
      PolicyType: 'AccountLevelIdentityBasedPolicy',
      NoPermissionType: 'ImplicitDeny',
      AuthAction: `eci:${ACTION}`,
      AuthResource: resource,
      AuthPrincipalType: 'SubUser',
      AuthPrincipalOwnerId: account.id,
      AuthPrincipalDisplayName: user.id,
    });
    const message = `You are not authorized to do this action. Resource: ${resource} Action: eci:${ACTION}`;
    await client.refused(ACTION, {}, { ...NO_PERMISSION, message });
    await client.refused(ACTION, {}, { ...NO_PERMISSION, message }, { scheme: 'V3' });
  }),
  row('field', 'AccessDeniedDetail', 'only in a refusal by RAM', async (live) => {
    const client = await live.newClient();
    const { json } = await client.call(ACTION, { Limit: 'ten' });
    assert.equal('AccessDeniedDetail' in json, false);
  }),
  row('field', 'AccessDeniedDetail.NoPermissionType', 'ExplicitDeny when a policy denies it', async (live) => {
    const { client } = await newUser(live, document('Allow', 'eci:*'), document('Deny', 'eci:Describe*'));
    assert.equal((await detailOf(client)).NoPermissionType, 'ExplicitDeny');
    await client.ok('ListUsage');
  }),
  row(
    'field',
    'AccessDeniedDetail.PolicyType',
    'SessionPolicy for a temporary key that was narrowed down',
    async (live) => {
      const root = await live.newClient();
      const account = await findAccount(live.admin, root.accountId);
      const sessionPolicy = document('Allow', 'eci:ListUsage');
      const { id, secret, securityToken } = await issueToken(live.admin, { account, sessionPolicy });
      const client = root.withKey({ id, secret, token: securityToken });
      await client.ok('ListUsage');
      const { PolicyType, NoPermissionType } = await detailOf(client);
      assert.deepEqual([PolicyType, NoPermissionType], ['SessionPolicy', 'ImplicitDeny']);
    },
  ),
  row(
    'field',
    'AccessDeniedDetail.PolicyType',
    'ResourceGroupLevelIdentityBasedPolicy when the policy of a resource group denies it',
    async (live) => {
      const { account, user, client } = await newUser(live);
      const group = await createResourceGroup(live.admin, account, 'team');
      await putPolicy(live.admin, account, { name: 'closed', document: document('Deny', 'eci:*') });
      await attachPolicy(live.admin, account, {
        identityId: user.id,
        policyName: 'closed',
        resourceGroupId: group.id,
      });
      const { json } = await client.refused(ACTION, { ResourceGroupId: group.id }, NO_PERMISSION);
      const { PolicyType, NoPermissionType } = json.AccessDeniedDetail;
      assert.deepEqual([PolicyType, NoPermissionType], ['ResourceGroupLevelIdentityBasedPolicy', 'ExplicitDeny']);
    },
  ),
  row(
    'field',
    'AccessDeniedDetail.AuthPrincipalType',
    'AssumedRoleUser for a role, named role:session',
    async (live) => {
      const root = await live.newClient();
      const account = await findAccount(live.admin, root.accountId);
      const identity = await createIdentity(live.admin, account, { type: 'role', name: 'builder' });
      const { id, secret, securityToken } = await issueToken(live.admin, { account, identity, sessionName: 'night' });
      const { AuthPrincipalType, AuthPrincipalOwnerId, AuthPrincipalDisplayName } = await detailOf(
        root.withKey({ id, secret, token: securityToken }),
      );
      assert.deepEqual(
        [AuthPrincipalType, AuthPrincipalOwnerId, AuthPrincipalDisplayName],
        ['AssumedRoleUser', account.id, 'builder:night'],
      );
    },
  ),
  row('field', 'AccessDeniedDetail.AuthResource', 'the cache that the call names', async (live) => {
    const { account, client } = await newUser(live);
    const ImageCacheId = 'imc-00000000000000000000';
    const { json } = await client.refused('DeleteImageCache', { ImageCacheId }, NO_PERMISSION);
    const { AuthAction, AuthResource } = json.AccessDeniedDetail;
    assert.equal(AuthAction, 'eci:DeleteImageCache');
    assert.equal(AuthResource, `acs:eci:${client.regionId}:${account.id}:imagecache/${ImageCacheId}`);
  }),
  row(
    'field',
    'AccessDeniedDetail.EncodedDiagnosticMessage',
    'opens for the operator alone, and says why',
    async (live) => {
      const { user, client } = await newUser(live, document('Allow', 'eci:*'), document('Deny', 'eci:Describe*'));
      const { json } = await client.refused(ACTION, {}, NO_PERMISSION);
      const text: string = json.AccessDeniedDetail.EncodedDiagnosticMessage;
      assert.ok(!Buffer.from(text, 'base64').toString('latin1').includes(user.id), 'it is sealed');
      const diagnosis = openDiagnosis(live.admin.sealers.diagnoses, text);
      assert.deepEqual(diagnosis.statement, { policy: 'policy-1', index: 0 });
      assert.equal(diagnosis.accessKeyId, client.key.id);
      assert.equal(diagnosis.conditionKeys['acs:sourceip'], '127.0.0.1');
    },
  ),
  row('format', 'AccessDeniedDetail', 'an object of texts in JSON, an element with elements in XML', async (live) => {
    const { client } = await newUser(live);
    const { json } = await client.refused(ACTION, {}, NO_PERMISSION);
    const { xml } = await client.call(ACTION, {}, { format: 'XML' });
    const detail = xml.children.find(({ name }) => name === 'AccessDeniedDetail');
    const inXml = Object.fromEntries((detail?.children ?? []).map(({ name, text }) => [name, text]));
    const { EncodedDiagnosticMessage: _, ...sealedApart } = json.AccessDeniedDetail;
    assert.equal(typeof inXml.EncodedDiagnosticMessage, 'string');
    delete inXml.EncodedDiagnosticMessage;
    assert.deepEqual(inXml, sealedApart);
  }),
  row('error', 'NoPermission', 'rights and their loss hold from the next call on', async (live) => {
    const { account, user, client } = await newUser(live);
    const policy = { identityId: user.id, policyName: 'AliyunECIReadOnlyAccess' };
    await client.refused(ACTION, {}, NO_PERMISSION);
    await attachPolicy(live.admin, account, policy);
    await client.ok(ACTION);
    const create = { ImageCacheName: 'x', Image: [live.image] };
    await client.refused('CreateImageCache', create, NO_PERMISSION);
    await live.admin.store.ram.detachPolicy(policy);
    await client.refused(ACTION, {}, NO_PERMISSION);
  }),
  ...PRECEDENCE.slice(0, -1).map(([state, code], place) =>
    row('error', code, `comes before ${PRECEDENCE[place + 1]?.[1]} and the states after it`, async (live) => {
      const { account, client } = await newUser(live, document('Allow', '*'));
      const later = PRECEDENCE.slice(place + 1).map(([each]) => each);
      await live.admin.store.accounts.changeStates(account.id, { set: [...later, state] });
      await client.refused(ACTION, {}, { status: code.startsWith('Forbidden') ? 403 : 400, code });
    }),
  ),
  row('error', 'ServiceNotEnabled', 'says which service', async (live) => {
    const client = await live.newClient();
    await live.admin.store.accounts.changeStates(client.accountId, { set: ['service-not-enabled'] });
    const message = 'The service Elastic Container Instance (eci) is not enabled for your account.';
    await client.refused(ACTION, {}, { status: 400, code: 'ServiceNotEnabled', message });
  }),
  row(
    'error',
    'Account.Arrearage',
    'of one account is nothing to others, nor to who asks for the endpoint',
    async (live) => {
      const [client, other] = [await live.newClient(), await live.newClient()];
      await live.admin.store.accounts.changeStates(client.accountId, { set: ['arrears'] });
      await client.refused(ACTION, {}, { status: 400, code: 'Account.Arrearage' });
      await client.ok('DescribeEndpoints', { Id: client.regionId, ServiceCode: 'eci' }, LOCATION);
      await other.ok(ACTION);
      await live.admin.store.accounts.changeStates(client.accountId, { clear: ['arrears'] });
      await client.ok(ACTION);
    },
  ),
];
