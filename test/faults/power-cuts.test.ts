/**
 * Power cuts: the machine of a server under load loses its power. What fsync returned from is there; every other page of a
 * file is there as it was at some time of its own, and of the names in folders any may be missing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomNumbers } from '../support/random.ts';
import { skipWithout } from '../support/requirements.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { record } from './support/record.ts';
import { choosePoints, replay } from './support/replay.ts';

const EFFORT_MS = 8_000;
const MODES = ['pages', 'any', 'zeros', 'synced'] as const;
const CUTS_PER_RECORDING = 100;
const skip = skipWithout({ tools: ['strace'] });
const timeout = 24 * 3_600_000;

test('a power cut takes nothing that was promised', { skip, timeout }, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const seen = new Set<string>();
  let cuts = 0;
  for (let endMs = 0, round = 0; round === 0 || performance.now() < endMs; round++) {
    const recording = await record({ seed: seed + 1000 * round, clients: 4, steps: 6, rounds: 1 });
    if (round === 0) endMs = performance.now() + effortMs(EFFORT_MS, 1);
    const points = choosePoints(recording.operations.length, { count: CUTS_PER_RECORDING, random, modes: MODES });
    const { distinct, wrong } = await replay(recording, points, { random, seen, endMs });
    cuts += distinct;
    assert.deepEqual(wrong.slice(0, 3), [], `seed ${seed}: ${wrong.length} of ${distinct} cuts`);
  }
  t.diagnostic(`seed ${seed}: ${cuts} power cuts`);
  assert.ok(cuts > 5);
});
