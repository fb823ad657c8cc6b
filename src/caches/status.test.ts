import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type CacheStatus, canMove, INITIAL_STATUS, statusAfterFailure, TRANSITIONS } from './status.ts';

const statuses = ['Preparing', 'Creating', 'Ready', 'Failed', 'Updating', 'UpdateFailed'] as const;

test('the table is walked: any requested moves keep to it and to its promises', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...statuses), { maxLength: 60 }), (requests) => {
      let status: CacheStatus = INITIAL_STATUS;
      let wasReady = false;
      for (const next of requests) {
        if (!canMove(status, next)) continue;
        status = next;
        if (status === 'Ready') wasReady = true;
        // Content that was once Ready is never given up by a failure; Failed is the end.
        assert.equal(wasReady && (status === 'Failed' || status === 'Preparing' || status === 'Creating'), false);
        if (!wasReady) assert.ok(status !== 'Updating' && status !== 'UpdateFailed');
      }
    }),
  );
});

test('every state is reached from the initial one', () => {
  const reached = new Set<CacheStatus>([INITIAL_STATUS]);
  for (const status of reached) for (const next of TRANSITIONS[status]) reached.add(next);
  assert.deepEqual([...reached].toSorted(), statuses.toSorted());
});

test('every state with a build under way may fail', () => {
  for (const status of ['Preparing', 'Creating', 'Updating'] as const) {
    assert.ok(canMove(status, statusAfterFailure(status)));
  }
});

test('no state moves to itself', () => {
  for (const status of statuses) assert.equal(canMove(status, status), false);
});
