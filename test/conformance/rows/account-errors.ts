import assert from 'node:assert/strict';
import type { Client } from '../client.ts';
import { type Row, rowsOf } from '../row.ts';
import { SAMPLE_CALLS } from '../sample-calls.ts';

/** The Location service is asked by whoever looks for this one; no policy and no state governs it. */
const FREE = 'DescribeEndpoints';
const actions = Object.keys(SAMPLE_CALLS).filter((action) => action !== FREE);

const STATES = [
  ['arrears', { status: 400, code: 'Account.Arrearage' }, 'bills are open'],
  ['service-not-enabled', { status: 400, code: 'ServiceNotEnabled' }, 'nobody enabled the service for the account'],
  [
    'business-status',
    { status: 403, code: 'Forbidden.UserBussinessStatus' },
    'the business status of the account forbids it',
  ],
  [
    'not-real-name',
    { status: 403, code: 'Forbidden.UserNotRealNameAuthentication' },
    'nobody verified whose account it is',
  ],
] as const;

/** What a RAM policy calls the resource of the sample call. */
const RESOURCES: Readonly<Record<string, string>> = {
  CreateImageCache: 'imagecache/*',
  DescribeImageCaches: 'imagecache/*',
  UpdateImageCache: 'imagecache/{id}',
  DeleteImageCache: 'imagecache/{id}',
  TagResources: 'imagecache/{id}',
  UntagResources: 'imagecache/{id}',
  ListTagResources: '*',
  ListUsage: '*',
  DescribeRegions: '*',
};

/** All that the account has, to see that a refused call changed nothing. */
async function inventory(client: Client): Promise<unknown> {
  const { RequestId: _, ...rest } = await client.ok('DescribeImageCaches', { Limit: 100 });
  return rest;
}

async function sample(action: string, client: Client) {
  const prepare = SAMPLE_CALLS[action] ?? assert.fail(action);
  return prepare(client);
}

export const accountErrors: readonly Row[] = actions.flatMap((action) => {
  const row = rowsOf(action);
  return [
    ...STATES.map(([state, expected, title]) =>
      row('error', expected.code, title, async (live) => {
        const client = await live.newClient();
        const { params } = await sample(action, client);
        const before = await inventory(client);
        await live.admin.store.accounts.changeStates(client.accountId, { set: [state] });
        await client.refused(action, params, expected);
        await live.admin.store.accounts.changeStates(client.accountId, { clear: [state] });
        assert.deepEqual(await inventory(client), before);
      }),
    ),
    row('error', 'Forbidden.SubUser', 'the account is restricted to itself, and a RAM user calls', async (live) => {
      const client = await live.newClient();
      const { params } = await sample(action, client);
      const user = await live.newUser(client, 'restricted');
      await live.allowAll(client, 'restricted');
      await live.admin.store.accounts.changeStates(client.accountId, { set: ['sub-user-restricted'] });
      await user.refused(action, params, { status: 403, code: 'Forbidden.SubUser' });
      await client.ok(action, params);
    }),
    row('error', 'NoPermission', 'no policy of RAM allows it; the answer says who, what and why', async (live) => {
      const client = await live.newClient();
      const { params } = await sample(action, client);
      const user = await live.newUser(client, 'powerless');
      const id = [params.ImageCacheId, params.ResourceId].flat().find((value) => typeof value === 'string') ?? '';
      const relative = (RESOURCES[action] ?? '').replace('{id}', id);
      const resource = `acs:eci:${client.regionId}:${client.accountId}:${relative}`;
      const message = `You are not authorized to do this action. Resource: ${resource} Action: eci:${action}`;
      const { json } = await user.refused(action, params, { status: 403, code: 'NoPermission', message });
      const { AuthAction, AuthPrincipalType, NoPermissionType } = json.AccessDeniedDetail;
      assert.deepEqual([AuthAction, AuthPrincipalType, NoPermissionType], [`eci:${action}`, 'SubUser', 'ImplicitDeny']);
      await live.allowAll(client, 'powerless');
      await user.ok(action, params);
    }),
    row('error', 'DryRunOperation', 'DryRun=true and nothing else would refuse it; nothing changes', async (live) => {
      const client = await live.newClient();
      const { params } = await sample(action, client);
      const before = await inventory(client);
      await client.refused(action, { ...params, DryRun: true }, { status: 400, code: 'DryRunOperation' });
      await client.refused(action, { ...params, DryRun: 'maybe' }, { status: 400, code: 'InvalidDryRun' });
      assert.deepEqual(await inventory(client), before);
      await client.ok(action, { ...params, DryRun: false });
    }),
  ];
});
