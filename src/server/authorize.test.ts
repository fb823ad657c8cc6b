import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { SEAL_KEY_BYTES } from '../accounts/index.ts';
import { ApiError, type RpcRequest } from '../rpc/index.ts';
import { openSqliteStore, type Store } from '../store/index.ts';
import { type AccountDirectory, createAccountDirectory } from './account-directory.ts';
import { type Authorize, type AuthorizedCall, createAuthorize } from './authorize.ts';
import { createBoundedMap } from './bounded-map.ts';
import { openDiagnosis } from './diagnosis.ts';
import { createSealers } from './sealers.ts';

const ACCOUNT = '1000000000000001';
const USER = { id: '201', accountId: ACCOUNT, type: 'user', name: 'ci', createdAtMs: 1 } as const;
const sealers = createSealers(randomBytes(SEAL_KEY_BYTES), randomBytes);
const KEY = { id: 'k1', accountId: ACCOUNT, sealedSecret: sealers.accessKeys.seal('secret'), active: true };
const NOW_MS = Date.UTC(2030, 0, 1);

let folder: string;
let store: Store;
let directory: AccountDirectory;
let authorize: Authorize;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-authorize-'));
  store = await openSqliteStore({ path: join(folder, 'larder.db'), seal: sealers.registryCredentials });
  directory = createAccountDirectory(store, sealers.accessKeys);
  authorize = createAuthorize({ directory, store, clock: { now: () => NOW_MS }, sealer: sealers.diagnoses });
  await store.accounts.createAccount({ id: ACCOUNT, name: 'default', createdAtMs: 1 }, KEY);
  await store.ram.createIdentity(USER);
  await store.accounts.putAccessKey({ ...KEY, id: 'k2', userId: USER.id });
  await store.ram.putPolicy({ accountId: ACCOUNT, name: 'p', document: documentOf({}), changedAtMs: 1 });
  await store.ram.attachPolicy({ identityId: USER.id, policyName: 'p' });
});
after(async () => {
  await store.close();
  await rm(folder, { recursive: true });
});

function documentOf(change: object): string {
  return JSON.stringify({ Version: '1', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*', ...change }] });
}

type CallChange = Partial<Pick<AuthorizedCall, 'regionId' | 'action'>> & {
  request?: Partial<RpcRequest>;
  parameters?: Record<string, string>;
  accessKeyId?: string;
};

function callOf(change: CallChange = {}): AuthorizedCall {
  const request = {
    method: 'GET',
    path: '/',
    rawQuery: '',
    headers: new Map(),
    body: new Uint8Array(),
    peer: '10.0.0.1',
  };
  return {
    request: { ...request, ...change.request },
    parameters: new Map(Object.entries(change.parameters ?? {})),
    caller: {
      accountId: ACCOUNT,
      accessKeyId: change.accessKeyId ?? 'k2',
      principal: { type: 'SubUser', id: USER.id },
    },
    action: change.action ?? { ramAction: 'eci:DescribeImageCaches', ramResource: 'imagecache/{ImageCacheId}' },
    regionId: change.regionId ?? 'cn-hangzhou',
  };
}

/** What the user gets for the call when this is the user's only statement. */
async function verdict(statement: object, change: CallChange = {}): Promise<ApiError | undefined> {
  await store.ram.putPolicy({ accountId: ACCOUNT, name: 'p', document: documentOf(statement), changedAtMs: 1 });
  try {
    await authorize(callOf(change));
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ApiError, String(error));
    return error;
  }
}
const allows = async (statement: object, change: CallChange = {}) => (await verdict(statement, change)) === undefined;

test('the keys of a request are what it says of itself', async () => {
  const agent = { headers: new Map([['user-agent', ['aliyun-cli/3']]]) };
  const when = (operator: string, key: string, value: string) => ({ Condition: { [operator]: { [key]: value } } });
  assert.ok(await allows(when('StringEquals', 'acs:UserAgent', 'aliyun-cli/3'), { request: agent }));
  assert.ok(!(await allows(when('StringLike', 'acs:UserAgent', '*'))), 'a request without the header');
  assert.ok(await allows(when('Bool', 'acs:SecureTransport', 'true'), { request: { secure: true } }));
  assert.ok(await allows(when('Bool', 'acs:SecureTransport', 'false')));
  assert.ok(await allows(when('StringEquals', 'acs:SourceIp', '10.0.0.1'), { request: { peer: '::ffff:10.0.0.1' } }));
  assert.ok(await allows(when('DateEquals', 'acs:CurrentTime', '2030-01-01T00:00:00Z')));
  assert.ok(await allows(when('StringEquals', 'acs:PrincipalARN', `acs:ram::${ACCOUNT}:user/ci`)));
  for (const absent of ['acs:MFAPresent', 'acs:SourceVpc', 'acs:ResourceTag/a', 'eci:tag/a']) {
    assert.ok(!(await allows(when('StringLike', absent, '*'))), absent);
    assert.ok(await allows(when('StringNotLike', absent, '*')), absent);
  }
});

test('the resource is that of the parameters, or * for all', async () => {
  const arn = `acs:eci:cn-hangzhou:${ACCOUNT}:imagecache/`;
  const parameters = { ImageCacheId: 'imc-1' };
  assert.ok(await allows({ Resource: `${arn}imc-1` }, { parameters }));
  assert.ok(!(await allows({ Resource: `${arn}imc-1` })));
  assert.ok(!(await allows({ Resource: `${arn}imc-1` }, { parameters: { ImageCacheId: '' } })));
  assert.ok(!(await allows({ Resource: `${arn}imc-1` }, { parameters, regionId: 'cn-beijing' })));
  const error = await verdict({ Resource: undefined, NotResource: `${arn}$&` }, { parameters: { ImageCacheId: '$&' } });
  assert.equal(error?.accessDeniedDetail?.AuthResource, `${arn}$&`);
  const list = { ramAction: 'eci:TagResources', ramResource: 'imagecache/{ResourceId.1}' };
  const both = { 'ResourceId.1': 'imc-1', 'ResourceId.7': 'imc-2' };
  assert.ok(!(await allows({ Resource: `${arn}imc-1` }, { action: list, parameters: both })));
  assert.ok(await allows({ Resource: [`${arn}imc-1`, `${arn}imc-2`] }, { action: list, parameters: both }));
  assert.ok(await allows({ Resource: `acs:eci:*:${ACCOUNT}:*` }, { action: { ramAction: 'eci:ListUsage' } }));
});

test('actions that no policy governs, and the account itself, are let through', async () => {
  assert.ok(await allows({ Effect: 'Deny' }, { action: {} }));
  assert.ok(await allows({ Effect: 'Deny' }, { accessKeyId: 'k1' }));
  assert.equal((await verdict({}, { accessKeyId: 'gone' }))?.code, 'InvalidAccessKeyId.NotFound');
});

test('a refusal holds its diagnosis, with long values cut', async () => {
  const headers = new Map([['user-agent', ['x'.repeat(10_000)]]]);
  const message = (await verdict({ Effect: 'Deny' }, { request: { headers } }))?.accessDeniedDetail
    ?.EncodedDiagnosticMessage;
  assert.ok(message !== undefined && message.length < 2000);
  const diagnosis = openDiagnosis(sealers.diagnoses, message);
  assert.deepEqual(diagnosis.statement, { policy: 'p', index: 0 });
  assert.equal(diagnosis.conditionKeys['acs:useragent'], 'x'.repeat(256));
  assert.throws(() => openDiagnosis(sealers.accessKeys, message), { code: 'server.diagnosis' });
});

test('the directory asks the store once, and again when something changed', async () => {
  const first = await directory.key('k1');
  assert.equal(first?.secret, 'secret');
  await store.nonces.remember('k1', 'n', NOW_MS, 0);
  assert.equal(await directory.key('k1'), first);
  await store.accounts.setAccessKeyActive(KEY, false);
  assert.equal((await directory.key('k1'))?.active, false);
  assert.equal(await directory.key('k9'), undefined);
  await store.accounts.putAccessKey({ ...KEY, id: 'k9' });
  assert.ok(await directory.key('k9'));
});

test('a preset key may look like a temporary one', async () => {
  await store.accounts.putAccessKey({ ...KEY, id: 'STS.preset' });
  assert.equal((await directory.key('STS.preset'))?.securityToken, undefined);
});

test('a bounded map forgets what was not used for longest', () => {
  const map = createBoundedMap<number>(2);
  map.set('a', 1);
  map.set('b', 2);
  assert.equal(map.get('a'), 1);
  map.set('c', 3);
  assert.deepEqual([map.get('a'), map.get('b'), map.get('c')], [1, undefined, 3]);
});
