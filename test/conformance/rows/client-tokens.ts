import assert from 'node:assert/strict';
import { rowsOf } from '../row.ts';
import { SAMPLE_CALLS } from '../sample-calls.ts';

const ACTIONS = ['CreateImageCache', 'UpdateImageCache', 'DeleteImageCache', 'UntagResources'] as const;
const RUNNING = { status: 403, code: 'LastTokenProcessing', message: 'The last token request is processing.' };
const MISMATCH = { status: 400, code: 'IdempotentParameterMismatch' };

/** A ClientToken whose first call is still running, on this server or on another one with the same database. */
export const clientTokens = ACTIONS.flatMap((action) => {
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
      const create = { ImageCacheName: 'x', Image: [live.image], ClientToken: 'shared' };
      await client.ok('CreateImageCache', { ...create, RegionId: 'elsewhere' });
    }),
    row('parameter', 'ClientToken', 'is up to 64 ASCII characters', async (live) => {
      const client = await live.newClient();
      const { params } = await sample(client);
      const tooLong = { status: 400, code: 'InvalidParameter.LengthExceeded' };
      await client.refused(action, { ...params, ClientToken: 'x'.repeat(65) }, tooLong);
      await client.refused(action, { ...params, ClientToken: 'é' }, { status: 400, code: 'InvalidParameter' });
      await client.ok(action, { ...params, ClientToken: '~'.repeat(64) });
    }),
  ];
});
