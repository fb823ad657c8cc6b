import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { allOrAbort } from './all-or-abort.ts';
import { createBell } from './bell.ts';
import { underLease } from './lease.ts';
import { createLimit } from './limit.ts';
import { withRetry } from './retry.ts';

const never = new AbortController().signal;
const forever = (signal: AbortSignal) => sleep(60_000, undefined, { signal });

test('a limit never lets more than max tasks run, and runs them all', async () => {
  const tasks = fc.array(fc.nat({ max: 3 }), { maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), tasks, async (max, durations) => {
      const limit = createLimit(max);
      let running = 0;
      let finished = 0;
      const run = async (ms: number) => {
        assert.ok(++running <= max);
        await sleep(ms);
        running--;
        finished++;
      };
      await Promise.all(durations.map((ms) => limit(() => run(ms))));
      assert.equal(finished, durations.length);
    }),
    { numRuns: 20 },
  );
});

test('a task that waits for its slot when the signal aborts never starts, and its slot is not lost', async () => {
  const limit = createLimit(1);
  const abort = new AbortController();
  const first = limit(() => sleep(20));
  const second = limit(() => Promise.reject(new Error('started')), abort.signal);
  abort.abort(new Error('given up'));
  await assert.rejects(second, /given up/);
  await first;
  assert.equal(await limit(async () => 'free'), 'free');
});

test('a ring wakes who waits, and is not missed by who is about to', async () => {
  const bell = createBell();
  const seen = bell.rings;
  const waiting = bell.wait(seen, 60_000, never);
  bell.ring();
  await waiting;
  await bell.wait(seen, 60_000, never);
});

test('a lease that is lost aborts the task', async () => {
  const lease = { renew: async () => false, leaseMs: 15, signal: never };
  // The renewal timer does not keep the process up; a server's listener does.
  await assert.rejects(underLease(forever, lease), (error: Error) => {
    assert.match(String(error.cause), /lease|holds/);
    return true;
  });
});

test('a lease is renewed until the task ends, and one failed renewal is forgiven', async () => {
  let renewals = 0;
  const renew = async () => {
    renewals++;
    if (renewals === 1) throw new Error('database away');
    return true;
  };
  assert.equal(await underLease(() => sleep(60, 'done'), { renew, leaseMs: 30, signal: never }), 'done');
  const after = renewals;
  assert.ok(after >= 2);
  await sleep(40);
  assert.equal(renewals, after);
});

test('the first failure aborts the other tasks, waits for them, and is thrown', async () => {
  const ended: string[] = [];
  const slow = (signal: AbortSignal) => forever(signal).finally(() => ended.push('slow'));
  const failing = () => Promise.reject(new Error('first'));
  await assert.rejects(allOrAbort([slow, failing], never), /first/);
  assert.deepEqual(ended, ['slow']);
  assert.deepEqual(await allOrAbort([async () => 1, async () => 2], never), [1, 2]);
});

test('a retry ends with success, a final error, or the last attempt', async () => {
  const policy = { attempts: 3, baseDelayMs: 1, maxDelayMs: 2 };
  const again = () => ({ retry: true as const });
  assert.equal(
    await withRetry(async (attempt) => (attempt < 3 ? Promise.reject(new Error('no')) : attempt), {
      policy,
      judge: again,
    }),
    3,
  );
  await assert.rejects(
    withRetry((attempt) => Promise.reject(new Error(`no ${attempt}`)), { policy, judge: again }),
    /no 3/,
  );
  const final = () => ({ retry: false as const });
  await assert.rejects(
    withRetry((attempt) => Promise.reject(new Error(`no ${attempt}`)), { policy, judge: final }),
    /no 1/,
  );
});
