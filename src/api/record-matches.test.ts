import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMatchRecorder } from './record-matches.ts';

const scope = { accountId: '1', regionId: 'r' };

test('a cache that is matched all the time is written down once a minute, each by itself', () => {
  const touched: [string, number][] = [];
  const record = createMatchRecorder(
    {
      touch: async (_scope, [id = ''], nowMs) => {
        touched.push([id, nowMs]);
      },
    },
    (error) => assert.fail(String(error)),
  );
  for (const nowMs of [0, 1, 59_999, 60_000]) record(scope, 'a', nowMs);
  record(scope, 'b', 60_001);
  assert.deepEqual(touched, [
    ['a', 0],
    ['a', 60_000],
    ['b', 60_001],
  ]);
});

test('a failure to write goes to whoever logs, not to the call', async () => {
  const failure = new Error('the disk is full');
  const seen = await new Promise((resolve) => {
    createMatchRecorder({ touch: () => Promise.reject(failure) }, resolve)(scope, 'a', 0);
  });
  assert.equal(seen, failure);
});
