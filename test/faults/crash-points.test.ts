/**
 * Crash points: every system call by which the server changes its data folder is recorded while clients create, update, tag
 * and delete image caches, some of which expire; then it crashes after any of them, with what was not synced there, lost or torn.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomNumbers } from '../support/random.ts';
import { skipWithout } from '../support/requirements.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { record } from './support/record.ts';
import { choosePoints, everyPoint, type ReplayResult, replay } from './support/replay.ts';

const EFFORT_MS = 15_000;
const skip = skipWithout({ tools: ['strace'] });
const timeout = 24 * 3_600_000;
const isLong = effortMs(0, 1) > 0;
/** Crash points of one recording, before there is a new one. */
const POINTS_PER_RECORDING = 2_500;

test('after a crash at any moment, all that was promised is there, nothing hangs, and nothing is left over', {
  skip,
  timeout,
}, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const seen = new Set<string>();
  const total: ReplayResult = { points: 0, distinct: 0, wrong: [] };
  let operations = 0;
  // The first recording is made in any case, however long that takes.
  for (let endMs = 0, round = 0; round === 0 || performance.now() < endMs; round++) {
    const recording = await record({ seed: seed + 1000 * round, clients: 1 + (round % 3), steps: 10, rounds: 2 });
    if (round === 0) endMs = performance.now() + effortMs(EFFORT_MS, 1);
    operations += recording.operations.length;
    const points = choosePoints(recording.operations.length, { count: POINTS_PER_RECORDING, random });
    const share = isLong ? points : evenly(points, endMs - performance.now());
    const result = await replay(recording, share, { random, seen, endMs });
    total.points += result.points;
    total.distinct += result.distinct;
    total.wrong.push(...result.wrong);
  }
  t.diagnostic(
    `seed ${seed}: ${total.distinct} distinct crash points (${total.points} chosen) of ${operations} operations`,
  );
  assert.deepEqual(total.wrong.slice(0, 3), [], `seed ${seed}: ${total.wrong.length} of ${total.distinct} are wrong`);
  assert.ok(total.distinct > 20, `only ${total.distinct} crash points`);
});

/** A prefix of the operations each, of one recording: only the long run has time for all. */
test('a crash after each of the operations, with all of them or with what was synced', {
  skip: skip || (isLong ? false : 'for npm run faults'),
  timeout,
}, async (t) => {
  const seed = faultSeed();
  const recording = await record({ seed, clients: 1, steps: 4, rounds: 2 });
  const { length } = recording.operations;
  const points = everyPoint(length, ['killed', 'synced']);
  const result = await replay(recording, points, { random: randomNumbers(seed), seen: new Set() });
  t.diagnostic(`seed ${seed}: every prefix of ${length} operations, ${result.distinct} distinct states`);
  assert.equal(result.points, points.length);
  assert.deepEqual(
    result.wrong.slice(0, 3),
    [],
    `seed ${seed}: ${result.wrong.length} of ${result.distinct} are wrong`,
  );
});

test('a disk that forgets what was synced is found out', { skip, timeout: 120_000 }, async () => {
  const recording = await record({ seed: 1, clients: 1, steps: 6, rounds: 1 });
  const operations = recording.operations.map((operation, index) =>
    operation.kind === 'sync' ? { ...operation, began: Math.floor(index / 2) } : operation,
  );
  const random = randomNumbers(1);
  const points = choosePoints(operations.length, { count: 25, random, modes: ['zeros', 'synced'] });
  const { wrong } = await replay({ ...recording, operations }, points, { random, seen: new Set() });
  assert.ok(wrong.length > 0);
});

/** As many of the points as there is time for, from the first to the last. */
function evenly<T>(points: readonly T[], ms: number): T[] {
  const EXPECTED_MS = 100;
  const step = Math.max(1, Math.ceil((points.length * EXPECTED_MS) / Math.max(ms, 1)));
  return points.filter((_, index) => index % step === 0);
}
