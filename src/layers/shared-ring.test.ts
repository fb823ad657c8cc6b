import assert from 'node:assert/strict';
import { test } from 'node:test';
import { giveRing, SharedRing, takeRing } from './shared-ring.ts';

test('a ring gives its memory again and again, and every piece as long as promised', () => {
  const small = new SharedRing(10);
  const put = (...values: number[]) => {
    small.room(4).set(values);
    return small.keep(values.length);
  };
  const first = put(1, 2, 3, 4);
  const second = put(5, 6, 7, 8);
  const seen = () => [first, second].map((piece) => [...piece]);
  assert.deepEqual(seen(), [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ]);
  // Two bytes are left, which is not enough: from the beginning.
  const third = put(9, 10, 11);
  assert.deepEqual(seen(), [
    [9, 10, 11, 4],
    [5, 6, 7, 8],
  ]);
  assert.ok(third.buffer instanceof SharedArrayBuffer);
});

test('rings that were given back are taken again', () => {
  const taken = [takeRing(), takeRing()];
  for (const one of taken) giveRing(one);
  const again = [takeRing(), takeRing()];
  assert.deepEqual(new Set(again), new Set(taken));
});
