/** Who may do what, on a real server in this process; the operator's changes come through a second connection, as from the command line. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import eci from '@alicloud/eci20180808';
import { Config } from '@alicloud/openapi-client';
import { ACCOUNT_STATES, type AccountState } from '../accounts/index.ts';
import { type CallParams, createClient } from '../client/index.ts';
import { loadServerConfig } from '../config/index.ts';
import type { Account, RamIdentity } from '../store/index.ts';
import {
  type Admin,
  attachPolicy,
  createAccessKey,
  createAccount,
  createIdentity,
  createResourceGroup,
  findAccount,
  issueToken,
  openAdmin,
  openDiagnosis,
  putNetwork,
  putPolicy,
  type RunningServer,
  startServer,
  type TokenRequest,
} from './index.ts';

const REGION = 'cn-hangzhou';
const DAY_MS = 24 * 60 * 60_000;
type Credentials = { id: string; secret: string; securityToken?: string };
type Statement = { Effect?: string; Action?: string; Resource?: string; Condition?: object };

let directory: string;
let server: RunningServer;
let admin: Admin;
let account: Account;
let root: Credentials;
let names = 0;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-accounts-'));
  const dataDirectory = join(directory, 'data');
  const flags = { dataDirectory, defaultRegionId: REGION, listen: '127.0.0.1:0', logLevel: 'silent' };
  server = await startServer(loadServerConfig({}, flags));
  admin = await openAdmin(dataDirectory);
  account = await findAccount(admin, undefined);
  assert.ok(server.firstKey);
  root = server.firstKey;
});
after(async () => {
  await admin.close();
  await server.stop();
  await rm(directory, { recursive: true });
});

const clientOf = (key: Credentials) => {
  const { id: accessKeyId, secret: accessKeySecret, securityToken } = key;
  const token = securityToken === undefined ? {} : { securityToken };
  return createClient({
    endpoint: server.endpoint,
    regionId: REGION,
    timeoutMs: 10_000,
    accessKeyId,
    accessKeySecret,
    ...token,
  });
};
const call = (key: Credentials, action: string, params: CallParams = {}) => clientOf(key).call(action, params);
const refused = (promise: Promise<unknown>, apiCode: string, status: number) =>
  assert.rejects(promise, (error: Error & { apiCode?: string; status?: number }) => {
    assert.deepEqual([error.apiCode, error.status], [apiCode, status], error.message);
    return true;
  });
const denied = (promise: Promise<unknown>) => refused(promise, 'NoPermission', 403);
const describe = (key: Credentials, params: CallParams = {}) => call(key, 'DescribeImageCaches', params);

async function createCache(key: Credentials, params: CallParams = {}): Promise<string> {
  const image = { ImageCacheName: 'x', Image: ['127.0.0.1:1/x:1'] };
  const { ImageCacheId } = await call(key, 'CreateImageCache', { ...image, ...params });
  assert.ok(typeof ImageCacheId === 'string');
  return ImageCacheId;
}

/** A policy of allowances, unless the statements say otherwise; its name. */
async function policy(...statements: Statement[]): Promise<string> {
  const name = `p${++names}`;
  const Statement = statements.map((statement) => ({ Effect: 'Allow', Action: 'eci:*', Resource: '*', ...statement }));
  await putPolicy(admin, account, { name, document: JSON.stringify({ Version: '1', Statement }) });
  return name;
}

/** A new RAM user with a key, and these policies for the whole account. */
async function newUser(...policies: string[]): Promise<{ user: RamIdentity; key: Credentials }> {
  const user = await createIdentity(admin, account, { type: 'user', name: `u${++names}` });
  for (const policyName of policies) await attachPolicy(admin, account, { identityId: user.id, policyName });
  return { user, key: await createAccessKey(admin, { account, user }) };
}

const userWho = async (...statements: Statement[]) => (await newUser(await policy(...statements))).key;
const token = (request: Partial<TokenRequest> = {}) => issueToken(admin, { account, ...request });

test('accounts have caches of their own', async () => {
  const other = await createAccount(admin, { name: 'other' });
  const id = await createCache(root);
  assert.equal((await describe(other.key)).TotalCount, 0);
  assert.deepEqual((await describe(other.key, { ImageCacheId: id })).ImageCaches, []);
  await assert.rejects(call(other.key, 'DeleteImageCache', { ImageCacheId: id }));
  assert.equal((await describe(root, { ImageCacheId: id })).TotalCount, 1);
  assert.equal((await describe(root, { ImageCacheId: id, RegionId: 'cn-beijing' })).TotalCount, 0);
  await assert.rejects(createAccount(admin, { name: 'other' }), { code: 'server.account-taken' });
});

test('a key works from its making until it is disabled or deleted, with the very next request', async () => {
  const key = await createAccessKey(admin, { account });
  await describe(key);
  await admin.store.accounts.setAccessKeyActive({ accountId: account.id, id: key.id }, false);
  await refused(describe(key), 'InvalidAccessKeyId.Inactive', 400);
  await admin.store.accounts.setAccessKeyActive({ accountId: account.id, id: key.id }, true);
  await describe(key);
  await admin.store.accounts.deleteAccessKey({ accountId: account.id, id: key.id });
  await refused(describe(key), 'InvalidAccessKeyId.NotFound', 404);
});

test('a user may do what policies allow, from one request to the next', async () => {
  const { user, key } = await newUser();
  await denied(describe(key));
  const readOnly = { identityId: user.id, policyName: 'AliyunECIReadOnlyAccess' };
  await attachPolicy(admin, account, readOnly);
  await describe(key);
  await denied(createCache(key));
  const deny = { identityId: user.id, policyName: await policy({ Effect: 'Deny', Action: 'eci:Describe*' }) };
  await attachPolicy(admin, account, deny);
  await denied(describe(key));
  await admin.store.ram.detachPolicy(deny);
  await describe(key);
  await admin.store.ram.detachPolicy(readOnly);
  await denied(describe(key));
  await admin.store.ram.deleteIdentity(user);
  await refused(describe(key), 'InvalidAccessKeyId.NotFound', 404);
});

test('the vendor’s SDK shows in full why a call was refused; the operator can read the rest', async () => {
  const { user, key } = await newUser(await policy({}, { Effect: 'Deny', Action: 'eci:DeleteImageCache' }));
  const sdk = new eci.default(
    new Config({
      accessKeyId: key.id,
      accessKeySecret: key.secret,
      endpoint: server.endpoint.replace('http://', ''),
      protocol: 'HTTP',
      regionId: REGION,
    }),
  );
  const request = new eci.DeleteImageCacheRequest({ regionId: REGION, imageCacheId: 'imc-x' });
  const resource = `acs:eci:${REGION}:${account.id}:imagecache/imc-x`;
  await assert.rejects(
    sdk.deleteImageCache(request),
    (error: Error & { code?: string; statusCode?: number; accessDeniedDetail?: Record<string, string> }) => {
      assert.deepEqual([error.code, error.statusCode], ['NoPermission', 403]);
      assert.match(error.message, new RegExp(`Resource: ${resource} Action: eci:DeleteImageCache`));
      const { EncodedDiagnosticMessage = '', ...detail } = error.accessDeniedDetail ?? {};
      assert.deepEqual(detail, {
        PolicyType: 'AccountLevelIdentityBasedPolicy',
        NoPermissionType: 'ExplicitDeny',
        AuthAction: 'eci:DeleteImageCache',
        AuthResource: resource,
        AuthPrincipalType: 'SubUser',
        AuthPrincipalOwnerId: account.id,
        AuthPrincipalDisplayName: user.id,
      });
      assert.match(EncodedDiagnosticMessage, /^[A-Za-z0-9+/]+=*$/);
      const diagnosis = openDiagnosis(admin.sealers.diagnoses, EncodedDiagnosticMessage);
      assert.deepEqual(diagnosis.statement, { policy: `p${names - 1}`, index: 1 });
      assert.equal(diagnosis.conditionKeys['acs:sourceip'], '127.0.0.1');
      return true;
    },
  );
  assert.throws(() => openDiagnosis(admin.sealers.diagnoses, 'bm9uZQ=='), { code: 'server.diagnosis' });
});

test('rights may be for one cache, and a call about several takes the right for each', async () => {
  const [mine, other] = [await createCache(root), await createCache(root)];
  const key = await userWho({ Resource: `acs:eci:*:*:imagecache/${mine}` });
  await describe(key, { ImageCacheId: mine });
  await denied(describe(key, { ImageCacheId: other }));
  await denied(describe(key));
  await denied(createCache(key));
  const tag = { ResourceType: 'ImageCache', Tag: [{ Key: 'a', Value: 'b' }] };
  await call(key, 'TagResources', { ...tag, ResourceId: [mine] });
  await denied(call(key, 'TagResources', { ...tag, ResourceId: [mine, other] }));
  await denied(call(key, 'TagResources', { ...tag, ResourceId: [other, mine] }));
  await denied(call(key, 'DeleteImageCache', { ImageCacheId: other }));
  await call(key, 'DeleteImageCache', { ImageCacheId: mine });
});

test('rights may depend on tags: those of the cache, those that are asked for, those that are set', async () => {
  const tagged = { Tag: [{ Key: 'env', Value: 'test' }] };
  const [test1, plain] = [await createCache(root, tagged), await createCache(root)];
  const byTag = await userWho({ Condition: { StringEquals: { 'eci:tag/env': 'test' } } });
  await createCache(byTag, tagged);
  await denied(createCache(byTag, { Tag: [{ Key: 'env', Value: 'prod' }] }));
  await denied(createCache(byTag));
  await describe(byTag, { ImageCacheId: test1 });
  await denied(describe(byTag, { ImageCacheId: plain }));
  await denied(describe(byTag, { ImageCacheId: plain, ...tagged }));
  await describe(byTag, tagged);
  await denied(describe(byTag, { Tag: [{ Key: 'env' }] }));
  await denied(describe(byTag));
  const byRequest = await userWho({ Condition: { StringLike: { 'acs:RequestTag/env': 't*' } } });
  await createCache(byRequest, tagged);
  await denied(describe(byRequest, { ImageCacheId: test1 }));
  const byResource = await userWho({ Condition: { StringEquals: { 'acs:ResourceTag/env': ['test'] } } });
  await describe(byResource, { ImageCacheId: test1 });
  await denied(createCache(byResource, tagged));
});

test('rights may depend on where, when and how a request comes, and who sends it', async () => {
  const soon = new Date(Date.now() + DAY_MS).toISOString();
  const past = new Date(Date.now() - DAY_MS).toISOString();
  await putNetwork(admin, account, { vpcId: 'vpc-all', cidr: '0.0.0.0/0' });
  await putNetwork(admin, account, { vpcId: 'vpc-loop', cidr: '127.0.0.0/8' });
  const cases: readonly [allowing: object, refusing: object][] = [
    [{ IpAddress: { 'acs:SourceIp': '127.0.0.0/8' } }, { NotIpAddress: { 'acs:SourceIp': '127.0.0.0/8' } }],
    [{ DateLessThan: { 'acs:CurrentTime': soon } }, { DateLessThan: { 'acs:CurrentTime': past } }],
    [{ Bool: { 'acs:SecureTransport': 'false' } }, { Bool: { 'acs:SecureTransport': 'true' } }],
    [{ StringNotLike: { 'acs:UserAgent': 'Mozilla*' } }, { StringEquals: { 'acs:UserAgent': 'Mozilla/5' } }],
    [{ StringEquals: { 'acs:SourceVpc': 'vpc-loop' } }, { StringEquals: { 'acs:SourceVpc': 'vpc-all' } }],
    [
      { StringLike: { 'acs:PrincipalARN': `acs:ram:*:${account.id}:user/u*` } },
      { StringLike: { 'acs:PrincipalARN': 'acs:ram:*:*:root' } },
    ],
  ];
  for (const [allowing, refusing] of cases) {
    await describe(await userWho({ Condition: allowing }));
    await denied(describe(await userWho({ Condition: refusing })));
  }
});

test('policies of a resource group hold for its caches alone', async () => {
  const group = await createResourceGroup(admin, account, 'team');
  const { user, key } = await newUser();
  const inGroup = { identityId: user.id, policyName: 'AliyunECIFullAccess', resourceGroupId: group.id };
  await attachPolicy(admin, account, inGroup);
  const [inside, outside] = [await createCache(key, { ResourceGroupId: group.id }), await createCache(root)];
  await describe(key, { ImageCacheId: inside });
  await describe(key, { ResourceGroupId: group.id });
  await denied(describe(key, { ImageCacheId: outside }));
  await denied(describe(key, { ImageCacheId: outside, ResourceGroupId: group.id }));
  await denied(describe(key));
  await denied(createCache(key));
  const moved = { ImageCacheId: inside, ResourceGroupId: 'rg-default' };
  await denied(call(key, 'UpdateImageCache', moved));
  await attachPolicy(admin, account, { ...inGroup, resourceGroupId: 'rg-default' });
  await createCache(key);
  await describe(key, { ImageCacheId: outside });
  await assert.rejects(call(key, 'UpdateImageCache', moved), ({ apiCode }) => apiCode !== 'NoPermission');
});

test('temporary keys of the account, a user and a role; wrong tokens get the gateway’s codes', async () => {
  const ofAccount = await token();
  await describe(ofAccount);
  await refused(describe({ id: ofAccount.id, secret: ofAccount.secret }), 'MissingSecurityToken', 400);
  await refused(describe({ ...ofAccount, securityToken: 'a b' }), 'InvalidSecurityToken.Malformed', 400);
  const { securityToken } = await token();
  await refused(describe({ ...ofAccount, securityToken }), 'InvalidSecurityToken.MismatchWithAccessKey', 400);
  await refused(describe({ ...root, securityToken }), 'InvalidSecurityToken.MismatchWithAccessKey', 400);

  const { user } = await newUser('AliyunECIReadOnlyAccess');
  const ofUser = await token({ identity: user });
  await describe(ofUser);
  await denied(createCache(ofUser));

  const role = await createIdentity(admin, account, { type: 'role', name: 'builder' });
  const ofRole = await token({ identity: role, sessionName: 'night' });
  await assert.rejects(describe(ofRole), { apiCode: 'NoPermission' });
  await attachPolicy(admin, account, {
    identityId: role.id,
    policyName: await policy({ Condition: { StringLike: { 'acs:PrincipalARN': '*:role/builder' } } }),
  });
  await createCache(ofRole);

  await admin.store.accounts.deleteTemporaryKey({ accountId: account.id, id: ofRole.id });
  await refused(describe(ofRole), 'InvalidAccessKeyId.NotFound', 404);
});

test('a session’s policy narrows a temporary key down, that of the account too', async () => {
  const document = (Action: string) =>
    JSON.stringify({ Version: '1', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
  const reading = await token({ sessionPolicy: document('eci:Describe*') });
  await describe(reading);
  await denied(createCache(reading));
  const { user } = await newUser('AliyunECIReadOnlyAccess');
  const wider = await token({ identity: user, sessionPolicy: document('*') });
  await describe(wider);
  await denied(createCache(wider));
  await assert.rejects(token({ sessionPolicy: '{}' }), { code: 'accounts.policy' });
});

test('a second factor is what the issuer vouches for; other keys don’t say', async () => {
  const name = await policy({ Condition: { Bool: { 'acs:MFAPresent': 'true' } } });
  const { user, key } = await newUser(name);
  await describe(await token({ identity: user, mfa: true }));
  await denied(describe(await token({ identity: user })));
  await denied(describe(key));
});

test('an expired temporary key says so for a day, then it is forgotten', async () => {
  const at = async (ageMs: number) => issueToken({ ...admin, clock: { now: () => Date.now() - ageMs } }, { account });
  const [expired, forgotten] = [await at(DAY_MS), await at(DAY_MS * 2)];
  await refused(describe(expired), 'InvalidSecurityToken.Expired', 400);
  await token();
  await refused(describe(expired), 'InvalidSecurityToken.Expired', 400);
  await refused(describe(forgotten), 'InvalidAccessKeyId.NotFound', 404);
  await assert.rejects(token({ durationSeconds: 899 }), { code: 'accounts.token-duration' });
});

test('every state of an account has its refusal, which ends with the state', async () => {
  const { user, key } = await newUser('AdministratorAccess');
  const expected: Record<AccountState, [code: string, status: number]> = {
    arrears: ['Account.Arrearage', 400],
    'service-not-enabled': ['ServiceNotEnabled', 400],
    'business-status': ['Forbidden.UserBussinessStatus', 403],
    'not-real-name': ['Forbidden.UserNotRealNameAuthentication', 403],
    'sub-user-restricted': ['Forbidden.SubUser', 403],
  };
  for (const state of ACCOUNT_STATES) {
    const [code, status] = expected[state];
    await admin.store.accounts.changeStates(account.id, { set: [state] });
    await refused(describe(key), code, status);
    await refused(createCache(await token({ identity: user })), code, status);
    if (state === 'sub-user-restricted') await describe(root);
    else await refused(describe(root), code, status);
    // Parameters come first.
    await refused(call(key, 'DeleteImageCache'), 'MissingImageCacheId', 400);
    await admin.store.accounts.changeStates(account.id, { clear: [state] });
    await describe(key);
  }
  await admin.store.accounts.changeStates(account.id, { set: ['service-not-enabled'] });
  await assert.rejects(describe(root), /Elastic Container Instance \(eci\)/);
  await admin.store.accounts.changeStates(account.id, { clear: ['service-not-enabled'] });
});

test('the event stream takes the rights of DescribeImageCaches', async () => {
  const id = await createCache(root);
  const first = async (key: Credentials) => {
    for await (const event of clientOf(key).openEvents('/events', { ImageCacheId: id })) return event;
    return undefined;
  };
  assert.ok(await first(root));
  assert.ok(await first(await userWho({ Resource: `acs:eci:*:*:imagecache/${id}` })));
  await denied(first(await userWho({ Action: 'eci:Create*' })));
  await admin.store.accounts.changeStates(account.id, { set: ['arrears'] });
  await refused(first(root), 'Account.Arrearage', 400);
  await admin.store.accounts.changeStates(account.id, { clear: ['arrears'] });
});
