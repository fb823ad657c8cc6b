/** `larder account` on a real data folder, while a server runs on it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import eci from '@alicloud/eci20180808';
import { Config } from '@alicloud/openapi-client';
import { loadServerConfig } from '../config/index.ts';
import { type RunningServer, startServer } from '../server/index.ts';
import { run } from './index.ts';

let home: string;
let server: RunningServer;

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'larder-account-'));
  const flags = { dataDirectory: join(home, 'data'), defaultRegionId: 'cn-hangzhou', listen: '127.0.0.1:0' };
  server = await startServer(loadServerConfig({}, { ...flags, logLevel: 'silent' }));
});
after(async () => {
  await server.stop();
  await rm(home, { recursive: true });
});

type Env = Record<string, string>;

async function larder(argv: readonly string[], { env = {}, stdin = '' }: { env?: Env; stdin?: string } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [text(stdout), text(stderr)];
  const code = await run(argv, {
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    stdout,
    stderr,
    env: { LARDER_PROFILE: join(home, 'profile.json'), LARDER_DATA: join(home, 'data'), HOME: home, ...env },
    signal: new AbortController().signal,
  });
  stdout.end();
  stderr.end();
  return { code, out: await out, err: await err };
}

const words = (command: string) => command.split(' ');
async function prints(command: string, expected: RegExp): Promise<RegExpExecArray> {
  const { code, out, err } = await larder(words(command));
  assert.equal(code, 0, err);
  const match = expected.exec(out);
  assert.ok(match, `${command} printed ${out}`);
  return match;
}
async function json(command: string) {
  const { code, out, err } = await larder([...words(command), '--output', 'json']);
  assert.equal(code, 0, err);
  return JSON.parse(out);
}
async function fails(command: string, expected: RegExp, code = 1): Promise<void> {
  const failed = await larder(words(command));
  assert.match(failed.err, expected);
  assert.deepEqual([failed.code, failed.out], [code, '']);
}

/** The environment of a client that has this key. */
function envOf(key: { AccessKeyId: string; AccessKeySecret: string; SecurityToken?: string }): Env {
  return {
    LARDER_ENDPOINT: server.endpoint,
    ALIBABA_CLOUD_ACCESS_KEY_ID: key.AccessKeyId,
    ALIBABA_CLOUD_ACCESS_KEY_SECRET: key.AccessKeySecret,
    ...(key.SecurityToken === undefined ? {} : { ALIBABA_CLOUD_SECURITY_TOKEN: key.SecurityToken }),
  };
}

/** What the vendor's SDK gets with the refusal of a call. */
async function diagnosticMessage(key: { AccessKeyId: string; AccessKeySecret: string }): Promise<string> {
  const credentials = { accessKeyId: key.AccessKeyId, accessKeySecret: key.AccessKeySecret };
  const endpoint = server.endpoint.replace('http://', '');
  const sdk = new eci.default(new Config({ ...credentials, endpoint, protocol: 'HTTP', regionId: 'cn-hangzhou' }));
  const request = new eci.DescribeImageCachesRequest({ regionId: 'cn-hangzhou' });
  return sdk.describeImageCaches(request).then(
    () => assert.fail('the call was not refused'),
    (error: { accessDeniedDetail?: { EncodedDiagnosticMessage?: string } }) =>
      error.accessDeniedDetail?.EncodedDiagnosticMessage ?? '',
  );
}

test('accounts and their keys', async () => {
  await prints('account list', /^ID +NAME +CREATED +QUOTA +STATES\n1\d{15} +default +\S+Z +- +-\n$/);
  const created = await json('account create team-a --id 1234567890123456');
  assert.deepEqual(
    { ...created, AccessKeySecret: '' },
    {
      AccountId: '1234567890123456',
      AccountName: 'team-a',
      AccessKeyId: created.AccessKeyId,
      AccessKeySecret: '',
    },
  );
  assert.equal((await larder(['list'], { env: envOf(created) })).code, 0);
  await fails('account create team-a', /there is an account 1234567890123456 \(team-a\) already/);
  await fails('account key list', /name an account with --account; there are: /);
  await fails('account key list --account nobody', /there is no account nobody/);

  const [, id = '', secret = ''] = await prints(
    'account key create --account team-a',
    /^key (LRDR\w+) of account 1234567890123456\nits secret, shown this once: (\w+)\n$/,
  );
  const env = envOf({ AccessKeyId: id, AccessKeySecret: secret });
  assert.equal((await larder(['list'], { env })).code, 0);
  await prints(`account key disable ${id} --account team-a`, /is disabled/);
  assert.match((await larder(['list'], { env })).err, /InvalidAccessKeyId\.Inactive/);
  await prints('account key list --account team-a', new RegExp(`${id} +Inactive +- +\\S+Z\n`));
  await prints(`account key enable ${id} --account team-a`, /is enabled/);
  assert.equal((await larder(['list'], { env })).code, 0);
  await fails(`account key delete ${id} --account default`, /has no key/);
  await prints(`account key delete ${id} --account team-a`, /deleted/);
  assert.match((await larder(['list'], { env })).err, /InvalidAccessKeyId\.NotFound/);
  const { AccessKeys } = await json('account key list --account 1234567890123456');
  assert.deepEqual(
    AccessKeys.map(({ AccessKeyId }: { AccessKeyId: string }) => AccessKeyId),
    [created.AccessKeyId],
  );
});

test('a user with a policy, and why a call was refused', async () => {
  await prints('account user create ci --account default', /^user ci \(2\d{17}\) of account/);
  await fails('account user create ci --account default', /there is a user ci already/);
  const key = await json('account key create --user ci --account default');
  assert.equal(key.UserName, 'ci');
  const env = envOf(key);
  const refused = await larder(['list'], { env });
  assert.match(refused.err, /NoPermission: You are not authorized to do this action/);

  const path = join(home, 'policy.json');
  const Statement = [{ Effect: 'Allow', Action: 'eci:Describe*', Resource: '*' }];
  await writeFile(path, JSON.stringify({ Version: '1', Statement }));
  await prints(`account policy put reading --file ${path} --account default`, /policy reading stored/);
  await prints('account policy attach reading --user ci --account default', /user ci has reading/);
  assert.equal((await larder(['list'], { env })).code, 0);
  await prints('account user list --account default', /ci +\S+Z +reading\n/);
  assert.deepEqual((await json('account policy list --account default')).Policies[0].AttachmentCount, 1);
  await fails('account policy delete reading --account default', /is attached/);
  await prints('account policy show reading --account default', /"eci:Describe\*"/);
  await prints('account policy detach reading --user ci --account default', /no longer has reading/);
  await fails('account policy detach reading --user ci --account default', /does not have reading/);
  await prints('account policy delete reading --account default', /deleted/);
  await fails('account policy attach reading --user ci --account default', /has no policy reading/);
  await fails('account policy attach reading --account default', /either --user or --role/, 2);
  const wrong = await larder(words('account policy put x --file - --account default'), { stdin: '{"Version":"2"}' });
  assert.match(wrong.err, /the policy is not valid: Version/);

  const message = await diagnosticMessage(key);
  await prints(
    `account explain ${message}`,
    /user\/ci: eci:DescribeImageCaches on acs:eci:.*\/\*: no policy allows it/,
  );
  const explained = await json(`account explain ${message}`);
  assert.deepEqual([explained.AccessKeyId, explained.NoPermissionType], [key.AccessKeyId, 'ImplicitDeny']);
  await fails('account explain bm9uZQ==', /no EncodedDiagnosticMessage/);
  await prints('account user delete ci --account default', /deleted/);
  assert.match((await larder(['list'], { env })).err, /InvalidAccessKeyId\.NotFound/);
});

test('groups, roles and temporary keys', async () => {
  const { ResourceGroupId } = await json('account group create blue --account default');
  await prints('account group list --account default', /blue/);
  await prints('account role create builder --account default', /^role builder \(3/);
  const attach = 'account policy attach AliyunECIFullAccess --role builder --resource-group blue --account default';
  assert.equal((await json(attach)).ResourceGroupId, ResourceGroupId);
  await fails('account group delete blue --account default', /stays/);
  await prints('account role list --account default', new RegExp(`AliyunECIFullAccess@${ResourceGroupId}`));

  const token = await json('account token create --role builder --session night --duration 30m --account default');
  const lastsMs = Date.parse(token.Expiration) - Date.now();
  assert.ok(lastsMs > 29 * 60_000 && lastsMs <= 30 * 60_000, token.Expiration);
  const env = envOf(token);
  assert.match((await larder(['list'], { env })).err, /NoPermission/);
  await prints('account policy attach AliyunECIReadOnlyAccess --role builder --account default', /has/);
  assert.equal((await larder(['list'], { env })).code, 0);
  await prints(
    'account token list --account default',
    new RegExp(`${token.AccessKeyId} +role/builder:night +\\S+Z +Active`),
  );
  await prints(`account token delete ${token.AccessKeyId} --account default`, /deleted/);
  assert.match((await larder(['list'], { env })).err, /InvalidAccessKeyId\.NotFound/);
  await prints('account token create --account default', /\nexport ALIBABA_CLOUD_SECURITY_TOKEN=\S{128}\n$/);
  await fails('account token create --duration 1m --account default', /lasts 900 to 43200/);
  await fails('account token create --duration soon --account default', /It takes a time as 90m/, 2);
  await fails('account token create --session x --account default', /one of a --role/, 2);
});

test('networks, states and quotas', async () => {
  await prints('account network add vpc-1 10.0.0.0/8 --account team-a', /is vpc-1/);
  await fails('account network add vpc-1 10.0.0.0/99 --account team-a', /no block of addresses/);
  await prints('account network list --account team-a', /vpc-1 +10\.0\.0\.0\/8/);
  await prints('account network delete 10.0.0.0/8 --account team-a', /forgotten/);

  await prints('account state set arrears not-real-name --account team-a', /: arrears, not-real-name\n$/);
  assert.deepEqual((await json('account state show --account team-a')).States, ['arrears', 'not-real-name']);
  await prints('account state clear arrears not-real-name --account team-a', /in none of these states/);
  await fails('account state set poor --account team-a', /there is no state poor; there are arrears, /, 2);

  await prints('account quota set 0 --account team-a', /: 0 image caches in a region/);
  assert.equal((await json('account quota show --account team-a')).MaxImageCaches, 0);
  await prints('account list', /team-a +\S+ +0 +-\n/);
  await prints('account quota set default --account team-a', /as many image caches as the server/);
  await fails('account quota set many --account team-a', /a quota is a whole number/, 2);
});

test('a folder that no server ever used is left alone', async () => {
  const none = join(home, 'none');
  await fails(`account list --data ${none}`, /is no data folder of a server/);
  await assert.rejects(rm(none), { code: 'ENOENT' });
});

test('every command explains itself', async () => {
  for (const name of ['key', 'user', 'role', 'policy', 'group', 'network', 'token', 'state', 'quota']) {
    const { code, out } = await larder(['account', name, '--help']);
    assert.equal(code, 0);
    assert.match(out, /Examples?:\n {2}larder account /, name);
  }
});
