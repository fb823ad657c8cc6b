import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ApiError } from '../rpc/index.ts';
import { addressGroup, createFailureBackOff } from './failure-back-off.ts';
import { createAdmission } from './flow-control.ts';
import { readLimits } from './limits.ts';
import { createTokenBuckets } from './token-buckets.ts';

test('property: never more than the burst at once nor the rate in the long run, and the time told is enough', () => {
  const rates = fc.record({ perSecond: fc.integer({ min: 1, max: 500 }), burst: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(rates, fc.array(fc.integer({ min: -50, max: 3000 }), { maxLength: 300 }), (rate, steps) => {
      const buckets = createTokenBuckets(rate, 10);
      let [nowMs, newestMs, taken] = [1000, 1000, 0];
      for (const step of steps) {
        nowMs += step;
        newestMs = Math.max(newestMs, nowMs);
        const waitMs = buckets.take('key', nowMs);
        if (waitMs === 0) taken++;
        else assert.equal(buckets.take('key', nowMs + waitMs), 0, `${waitMs} ms were not enough`);
        if (waitMs > 0) {
          nowMs += waitMs;
          newestMs = Math.max(newestMs, nowMs);
          taken++;
        }
      }
      // A clock that is set back and forth counts the way forth each time.
      const forthMs = steps.filter((step) => step > 0).reduce((sum, step) => sum + step, 0) + (newestMs - 1000);
      assert.ok(taken <= rate.burst + (forthMs * rate.perSecond) / 1000 + 1e-6);
    }),
  );
});

test('reads and writes of an account, and accounts, do not take from one another; 0 is no limit', async () => {
  let nowMs = 0;
  const limits = readLimits(['writesPerSecond=2', 'writeBurst=3', 'readsPerSecond=0']);
  const admit = createAdmission(limits, { now: () => nowMs });
  const call = (accountId: string, ramAction: string) =>
    admit({
      caller: { accountId, accessKeyId: 'k', principal: { type: 'Account', id: accountId } },
      action: { ramAction },
      regionId: 'a',
    });
  for (let times = 0; times < 3; times++) await call('1', 'eci:CreateImageCache');
  for (let times = 0; times < 10_000; times++) await call('1', 'eci:DescribeImageCaches');
  await call('2', 'eci:CreateImageCache');
  const throttled = (error: unknown) =>
    error instanceof ApiError && error.code === 'Throttling.User' && error.retryAfterMs === 500;
  await assert.rejects(call('1', 'eci:TagResources'), throttled);
  nowMs = 500;
  await call('1', 'eci:TagResources');
});

test('creations of image caches are counted by account and region, 200 a minute; other writes are not', async () => {
  let nowMs = 0;
  const admit = createAdmission(readLimits([]), { now: () => nowMs });
  const call = (ramAction: string, { accountId = '1', regionId = 'a' } = {}) =>
    admit({
      caller: { accountId, accessKeyId: 'k', principal: { type: 'Account', id: accountId } },
      action: { ramAction },
      regionId,
    });
  const create = (where?: { accountId?: string; regionId?: string }) => call('eci:CreateImageCache', where);
  for (let times = 0; times < 200; times++) await create();
  const throttled = (error: unknown) =>
    error instanceof ApiError && error.code === 'Throttling.User' && error.retryAfterMs === 300;
  await assert.rejects(create(), throttled);
  await create({ regionId: 'b' });
  await create({ accountId: '2' });
  await call('eci:DeleteImageCache');
  nowMs = 300;
  await create();
  await assert.rejects(create(), throttled);

  const unlimited = createAdmission(readLimits(['createsPerMinute=0', 'writesPerSecond=0']), { now: () => 0 });
  const { action, caller } = {
    action: { ramAction: 'eci:CreateImageCache' },
    caller: { accountId: '1', accessKeyId: 'k' },
  };
  const principal = { type: 'Account', id: '1' } as const;
  for (let times = 0; times < 1000; times++)
    await unlimited({ action, caller: { ...caller, principal }, regionId: 'a' });
});

test('back-off: some failures are free, then the wait doubles to its bound; a success or a long time forgets', () => {
  const policy = { freeFailures: 2, baseMs: 1000, maxMs: 5000, forgetMs: 60_000, maxKeys: 2 };
  const backOff = createFailureBackOff(policy);
  const waits: number[] = [];
  for (let times = 0; times < 6; times++) {
    backOff.failed('a', 0);
    waits.push(backOff.waitMs('a', 0));
  }
  assert.deepEqual(waits, [0, 0, 1000, 2000, 4000, 5000]);
  assert.deepEqual([backOff.waitMs('b', 0), backOff.waitMs('a', 4000), backOff.waitMs('a', 5000)], [0, 1000, 0]);
  assert.equal(backOff.waitMs('a', -1e9), 5000, 'a clock that was set back');
  backOff.failed('a', 70_000);
  assert.equal(backOff.waitMs('a', 70_000), 0, 'forgotten');
  for (let times = 0; times < 3; times++) backOff.failed('a', 70_000);
  backOff.succeeded('a');
  assert.equal(backOff.waitMs('a', 70_000), 0);
  for (const key of ['x', 'y', 'z']) for (let times = 0; times < 3; times++) backOff.failed(key, 0);
  assert.equal(backOff.waitMs('x', 0), 0, 'no more keys than the bound');
});

test('an IPv6 network is one address, and IPv4 in IPv6 is IPv4', () => {
  assert.equal(addressGroup('192.0.2.7'), '192.0.2.7');
  assert.equal(addressGroup('::ffff:192.0.2.7'), '192.0.2.7');
  assert.equal(addressGroup('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.equal(addressGroup('2001:db8:1:2::9'), '2001:db8:1:2::/64');
  assert.equal(addressGroup('2001:db8::9'), '2001:db8:0:0::/64');
  assert.equal(addressGroup('::1'), '0:0:0:0::/64');
  assert.equal(addressGroup('fe80::1%eth0'), 'fe80:0:0:0::/64');
});
