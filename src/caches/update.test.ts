import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ImageCache } from './image-cache.ts';
import type { CacheStatus } from './status.ts';
import { canUpdate, planUpdate } from './update.ts';

const DAY_MS = 86_400_000;
const CREATED_MS = 1_000_000;
const context = { nowMs: CREATED_MS + 2 * DAY_MS, buildId: 'eci-new' };

function cacheThatIs(status: CacheStatus, change: Partial<ImageCache> = {}): ImageCache {
  return {
    id: 'imc-1',
    accountId: '1',
    regionId: 'r',
    name: 'old',
    images: ['a'],
    status,
    progressPercent: 100,
    sizeGib: 20,
    createdAtMs: CREATED_MS,
    containerGroupId: 'eci-old',
    snapshotId: 's-old',
    resourceGroupId: 'rg',
    eliminationStrategy: '',
    registries: { plainHttpRegistries: [], insecureRegistries: [] },
    tags: [{ key: 'k', value: 'v' }],
    events: [],
    ...change,
  };
}

test('only a cache with content to serve is updated', () => {
  const statuses: CacheStatus[] = ['Preparing', 'Creating', 'Ready', 'Failed', 'Updating', 'UpdateFailed'];
  for (const status of statuses) {
    const plan = planUpdate(cacheThatIs(status), { images: ['a'] }, context);
    assert.equal(plan.kind, status === 'Ready' || status === 'UpdateFailed' ? 'change' : 'wrong-status', status);
    assert.equal(canUpdate(status), plan.kind === 'change');
  }
});

test('a description alone changes nothing else; the same again is no change', () => {
  const change = fc.record(
    {
      name: fc.constantFrom('old', 'new'),
      sizeGib: fc.constantFrom(20, 30),
      resourceGroupId: fc.constantFrom('rg', 'rg-2'),
      tags: fc.constantFrom([{ key: 'k', value: 'v' }], [{ key: 'k', value: 'w' }]),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(change, (update) => {
      const cache = cacheThatIs('UpdateFailed');
      const expected = { ...cache, ...update };
      const plan = planUpdate(cache, update, context);
      if (plan.kind === 'change') {
        assert.deepEqual(plan.cache, expected);
        assert.equal(plan.rebuild, false);
        assert.deepEqual(planUpdate(plan.cache, update, context), { kind: 'unchanged' });
      } else assert.deepEqual(cache, expected);
    }),
  );
});

test('images, also the same ones, are pulled again; the old content is shown meanwhile', () => {
  const cache = cacheThatIs('Ready');
  const plan = planUpdate(cache, { images: ['a'], name: 'new' }, context);
  assert.ok(plan.kind === 'change' && plan.rebuild);
  const shown = { status: 'Updating', progressPercent: 0, containerGroupId: 'eci-new', name: 'new' };
  assert.deepEqual(plan.cache, { ...cache, ...shown });
});

test('retention counts from the creation, and must not be over', () => {
  const plan = planUpdate(cacheThatIs('Ready'), { retentionDays: 3 }, context);
  assert.ok(plan.kind === 'change');
  assert.deepEqual([plan.cache.retentionDays, plan.cache.expiresAtMs], [3, CREATED_MS + 3 * DAY_MS]);
  assert.deepEqual(planUpdate(cacheThatIs('Ready'), { retentionDays: 2 }, context), { kind: 'expired' });
});
