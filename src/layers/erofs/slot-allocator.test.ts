import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BLOCK_SLOTS, SlotAllocator } from './slot-allocator.ts';

const runs = fc.array(fc.integer({ min: 1, max: BLOCK_SLOTS }), { maxLength: 1000 });
const blockOf = (slot: number) => Math.floor(slot / BLOCK_SLOTS);

test('runs overlap nowhere, cross no block, and leave at most one block half empty', () => {
  fc.assert(
    fc.property(runs, (list) => {
      const allocator = new SlotAllocator();
      const taken = new Set<number>();
      for (const slots of list) {
        const first = allocator.allocate(slots);
        assert.equal(blockOf(first), blockOf(first + slots - 1));
        for (let slot = first; slot < first + slots; slot++) taken.add(slot);
      }
      const sum = list.reduce((all, slots) => all + slots, 0);
      assert.equal(taken.size, sum);
      assert.ok(Math.max(-1, ...taken) < allocator.blocks * BLOCK_SLOTS);
      assert.ok(allocator.blocks <= (2 * sum) / BLOCK_SLOTS + 1, `${allocator.blocks} blocks for ${sum} slots`);
    }),
  );
});

test('a run goes where it leaves the least, and never to a block that was closed', () => {
  const allocator = new SlotAllocator();
  const places = [100, 120, 110].map((slots) => allocator.allocate(slots));
  assert.deepEqual(places.map(blockOf), [0, 1, 2]);
  assert.deepEqual(
    [8, 16, 20].map((slots) => blockOf(allocator.allocate(slots))),
    [1, 2, 0],
  );
  allocator.closeBefore(2);
  assert.deepEqual(
    [2, 8, 1].map((slots) => blockOf(allocator.allocate(slots))),
    [2, 3, 3],
  );
});
