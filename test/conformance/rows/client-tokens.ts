import assert from 'node:assert/strict';
import { type Row, rowsOf } from '../row.ts';
import { SAMPLE_CALLS } from '../sample-calls.ts';

const ACTIONS = ['CreateImageCache', 'UpdateImageCache', 'DeleteImageCache', 'UntagResources'] as const;
const RUNNING = { status: 403, code: 'LastTokenProcessing', message: 'The last token request is processing.' };
const MISMATCH = {
  status: 400,
  code: 'IdempotentParameterMismatch',
  message: 'The request uses the same client token as a previous, but non-identical request.',
};

const CREATE = 'CreateImageCache';
const create = rowsOf(CREATE);
const LOGIN = { Server: 'registry.example.com', UserName: 'user', Password: 'one' } as const;
/** Makes each of the calls one that is refused. */
const WRONG = { ImageCacheId: 'imc-x', ImageCacheName: '\n', ResourceId: ['imc-x'] };

/** A ClientToken whose first call is still running, on this server or on another one with the same database. */
const ofEach = ACTIONS.flatMap((action) => {
  const row = rowsOf(action);
  const sample = SAMPLE_CALLS[action] ?? assert.fail(action);
  return [
    row(
      'error',
      'LastTokenProcessing',
      'while the first call runs; then its result, whatever came after',
      async (live) => {
        const client = await live.newClient();
        const { params } = await sample(client);
        const call = { ...params, ClientToken: 'running' };
        const { RequestId: _first, ...result } = await client.ok(action, call);
        const letEnd = live.holdToken(client, 'running');
        await client.refused(action, call, RUNNING);
        await client.refused(action, { ...call, DryRun: true }, RUNNING);
        letEnd();
        const { RequestId: _again, ...again } = await client.ok(action, call);
        assert.deepEqual(again, result);
      },
    ),
    row(
      'error',
      'IdempotentParameterMismatch',
      'also while the first call runs; another token is another call',
      async (live) => {
        const client = await live.newClient();
        const { params } = await sample(client);
        const call = { ...params, ClientToken: 'first' };
        await client.ok(action, call);
        const letEnd = live.holdToken(client, 'first');
        const { params: other } = await sample(client);
        await client.refused(action, { ...other, ImageCacheName: 'other', ClientToken: 'first' }, MISMATCH);
        letEnd();
        await client.ok(action, { ...other, ImageCacheName: 'other', ClientToken: 'second' });
      },
    ),
    row('parameter', 'ClientToken', 'holds for one account, one region and one operation', async (live) => {
      const [client, neighbour] = [await live.newClient(), await live.newClient()];
      for (const each of [client, neighbour]) {
        const { params } = await sample(each);
        await each.ok(action, { ...params, ClientToken: 'shared' });
      }
      const params = { ImageCacheName: 'x', Image: [live.image], ClientToken: 'shared' };
      await client.ok('CreateImageCache', { ...params, RegionId: 'elsewhere' });
    }),
    row('parameter', 'ClientToken', 'is up to 64 ASCII characters', async (live) => {
      const client = await live.newClient();
      const { params } = await sample(client);
      const tooLong = { status: 400, code: 'InvalidParameter.LengthExceeded' };
      await client.refused(action, { ...params, ClientToken: 'x'.repeat(65) }, tooLong);
      await client.refused(action, { ...params, ClientToken: 'é' }, { status: 400, code: 'InvalidParameter' });
      await client.ok(action, { ...params, ClientToken: '~'.repeat(64) });
    }),
    row('parameter', 'ClientToken', 'is free again after a refusal and after a dry run', async (live) => {
      const client = await live.newClient();
      const [{ params }, { params: other }] = [await sample(client), await sample(client)];
      const ClientToken = 'free';
      const refused = await client.call(action, { ...params, ...WRONG, ClientToken });
      assert.notEqual(refused.status, 200, refused.body);
      await client.refused(action, { ...params, ClientToken, DryRun: true }, { status: 400, code: 'DryRunOperation' });
      await client.ok(action, { ...other, ClientToken });
    }),
  ];
});

export const clientTokens: readonly Row[] = [
  ...ofEach,
  create('parameter', 'ClientToken', 'gives the first result also when that cache is gone', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheName: 'x', Image: [live.image], ClientToken: 'token' };
    const { ImageCacheId } = await client.ok(CREATE, params);
    await client.ok('DeleteImageCache', { ImageCacheId, ClientToken: 'token' });
    assert.equal((await client.ok(CREATE, params)).ImageCacheId, ImageCacheId);
    assert.equal((await client.ok('DescribeImageCaches')).TotalCount, 0);
  }),
  create('parameter', 'ClientToken', 'is case-sensitive; empty is as good as none', async (live) => {
    const client = await live.newClient();
    const ids = new Set<string>();
    for (const ClientToken of ['token', 'TOKEN', '', '']) {
      const params = { ImageCacheName: 'x', Image: [live.image], ClientToken };
      ids.add((await client.ok(CREATE, params)).ImageCacheId);
    }
    assert.equal(ids.size, 4);
  }),
  create('parameter', 'ClientToken', 'passwords are not compared, the rest of a login is', async (live) => {
    const client = await live.newClient();
    const params = { ImageCacheName: 'x', Image: [live.image], ClientToken: 'token' };
    const first = await client.ok(CREATE, { ...params, ImageRegistryCredential: [LOGIN] });
    const changed = [{ ...LOGIN, Password: 'two' }];
    assert.equal(
      (await client.ok(CREATE, { ...params, ImageRegistryCredential: changed })).ImageCacheId,
      first.ImageCacheId,
    );
    const other = [{ ...LOGIN, UserName: 'other' }];
    await client.refused(CREATE, { ...params, ImageRegistryCredential: other }, MISMATCH);
  }),
];
