/** What the server is told of uses, by a client that answers when the test says so. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { silentLogger } from '../../lib/logger.ts';
import { createUseReports } from './use-reports.ts';

/** A client of which each call waits to be answered. */
function heldClient() {
  const calls: { params: Readonly<Record<string, string>>; answer(): Promise<void>; fail(): Promise<void> }[] = [];
  return {
    calls,
    call: (_action: string, params: Readonly<Record<string, string>>, { signal }: { signal: AbortSignal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<unknown>();
      signal.addEventListener('abort', () => reject(signal.reason));
      calls.push({
        params,
        async answer() {
          resolve({ ImageCaches: [] });
          await turn();
        },
        async fail() {
          reject(new Error('away'));
          await turn();
        },
      });
      return promise;
    },
  };
}
const use = (reference: string) => ({ imageCacheId: 'imc-1', reference });

test('one call at a time; uses of an image that waits are one', async () => {
  const client = heldClient();
  const uses = createUseReports(client, silentLogger);
  uses.add(use('a:1'));
  assert.equal(client.calls.length, 0, 'sent before it was asked for');
  uses.send();
  for (let times = 0; times < 3; times++) {
    uses.add(use('b:1'));
    uses.send();
  }
  assert.deepEqual(client.calls[0]?.params, { 'MatchImage.1': 'a:1', ImageCacheId: 'imc-1', Limit: '1' });
  assert.equal(client.calls.length, 1);
  await client.calls[0].answer();
  assert.equal(client.calls[1]?.params['MatchImage.1'], 'b:1');
  await client.calls[1].answer();
  assert.equal(client.calls.length, 2);
  await uses.stop();
});

test('a failure ends the sending, the rest goes the next time; what waits is bounded', async () => {
  const client = heldClient();
  const uses = createUseReports(client, silentLogger);
  for (let each = 0; each < 1_500; each++) uses.add(use(`image:${each}`));
  uses.send();
  await client.calls[0]?.fail();
  assert.equal(client.calls.length, 1);
  uses.send();
  for (let each = 1; each < client.calls.length; each++) await client.calls[each]?.answer();
  assert.equal(client.calls.length, 1_000);
  await uses.stop();
});

test('stopping gives up the call that is under way', async () => {
  const client = heldClient();
  const uses = createUseReports(client, silentLogger);
  uses.add(use('a:1'));
  uses.send();
  await uses.stop();
  uses.add(use('b:1'));
  uses.send();
  assert.equal(client.calls.length, 1);
});
