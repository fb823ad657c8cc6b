import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CacheMatch } from '../store/ports.ts';
import { createMatchRecorder } from './record-matches.ts';

const scope = { accountId: '1', regionId: 'r' };

/** A recorder over a list of what it wrote. */
function open() {
  const touched: [string, string, number][] = [];
  const sizes: number[] = [];
  const recorder = createMatchRecorder(
    {
      touch: async (matches) => {
        sizes.push(matches.length);
        for (const { regionId, id, matchedAtMs } of matches) touched.push([regionId, id, matchedAtMs]);
      },
    },
    (error) => assert.fail(String(error)),
  );
  return { touched, sizes, ...recorder };
}

test('a cache that is matched all the time is written down once a minute', async () => {
  const { touched, record, flush } = open();
  for (const nowMs of [0, 1, 59_999, 60_000]) {
    record(scope, 'a', nowMs);
    await flush();
  }
  record(scope, 'b', 60_001);
  await flush();
  assert.deepEqual(touched, [
    ['r', 'a', 0],
    ['r', 'a', 60_000],
    ['r', 'b', 60_001],
  ]);
});

test('what is matched within a second is written down after it, in order', async () => {
  const { touched, record, flush } = open();
  record(scope, 'a', 5);
  record({ ...scope, regionId: 'other' }, 'b', 6);
  record(scope, 'c', 7);
  assert.deepEqual(touched, []);
  await flush();
  assert.deepEqual(touched, [
    ['r', 'a', 5],
    ['other', 'b', 6],
    ['r', 'c', 7],
  ]);
  await flush();
  assert.equal(touched.length, 3);
});

test('many are written down a few at a time, so that calls get their turn', async () => {
  const { touched, sizes, record, flush } = open();
  for (let number = 0; number < 20; number++) record(scope, `c${number}`, number);
  await flush();
  assert.equal(touched.length, 20);
  assert.deepEqual(sizes, [8, 8, 4]);
});

test('it is written down without being told to', async () => {
  const written = await new Promise((resolve) => {
    const touch = async ([match]: readonly CacheMatch[]) => resolve(match?.id);
    createMatchRecorder({ touch }, (error) => assert.fail(String(error)), 1).record(scope, 'a', 0);
    // The recorder's own timer keeps no process alive.
    setTimeout(() => {}, 1_000);
  });
  assert.equal(written, 'a');
});

test('a failure to write goes to whoever logs, not to the call', async () => {
  const failure = new Error('the disk is full');
  const seen: unknown[] = [];
  const { record, flush } = createMatchRecorder({ touch: () => Promise.reject(failure) }, (error) => seen.push(error));
  record(scope, 'a', 0);
  await flush();
  assert.deepEqual(seen, [failure]);
});
