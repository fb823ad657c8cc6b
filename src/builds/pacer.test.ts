import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPacer } from './pacer.ts';

const MIB = 2 ** 20;
/** What may go by at once after a pause, in milliseconds of the rate. */
const BURST_MS = 100;

/** A clock that goes on by what is slept, and by what the test says. */
function fakeTime() {
  const sleeps: number[] = [];
  const time = {
    ms: 5_000,
    sleeps,
    now: () => time.ms,
    sleep(ms: number) {
      sleeps.push(ms);
      time.ms += ms;
      return Promise.resolve();
    },
  };
  return time;
}
const { signal } = new AbortController();

test('pieces are let through at the rate; time that went by meanwhile counts', async () => {
  const time = fakeTime();
  const pace = createPacer(10 * MIB, signal, time);
  for (let piece = 0; piece < 3; piece++) await pace(MIB);
  assert.deepEqual(time.sleeps, [100, 100, 100]);
  time.ms += 60;
  await pace(MIB);
  assert.deepEqual(time.sleeps.slice(3), [40]);
});

test('a long pause saves up no more than a short burst', async () => {
  const time = fakeTime();
  const pace = createPacer(10 * MIB, signal, time);
  time.ms += 3_600_000;
  await pace(MIB);
  assert.deepEqual(time.sleeps, []);
  await pace(MIB);
  assert.deepEqual(time.sleeps, [BURST_MS]);
});

test('whatever comes when, no more than the rate and one burst goes by', async () => {
  const pieces = fc.array(fc.tuple(fc.integer({ min: 1, max: MIB }), fc.integer({ min: 0, max: 2_000 })), {
    minLength: 1,
    maxLength: 50,
  });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1_000, max: 100 * MIB }), async (list, bytesPerSecond) => {
      const time = fakeTime();
      const pace = createPacer(bytesPerSecond, signal, time);
      const startMs = time.ms;
      let bytes = 0;
      for (const [piece, pauseMs] of list) {
        time.ms += pauseMs;
        await pace(piece);
        bytes += piece;
        const allowed = ((time.ms - startMs + BURST_MS) / 1000) * bytesPerSecond;
        assert.ok(bytes <= allowed * (1 + 1e-9), `${bytes} of ${allowed}`);
      }
    }),
  );
});

test('a wait ends with its signal', async () => {
  const ending = new AbortController();
  const waiting = createPacer(1, ending.signal)(MIB);
  ending.abort(new Error('enough'));
  await assert.rejects(waiting);
});
