import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type ImageCache, snapshotIdOf } from '../../src/caches/index.ts';
import type { Store } from '../../src/store/ports.ts';
import { digestOf } from './blobs.ts';
import { create, finishReady, LEASE_MS, layerOf, read } from './store-fixtures.ts';

const OWNERS = ['a', 'b'];
const LAYERS = [1, 2];
const RUNS = 10;
/** Those that lead somewhere come up more often. */
const ACTIONS = [
  'create',
  'claim',
  'claim',
  'renew',
  'release',
  'ready',
  'fail',
  'delete',
  'claimLayer',
  'claimLayer',
  'publish',
  'publish',
  'use',
  'releaseLayer',
  'remove',
  'forget',
] as const;

/** The plainest thing that does what a store promises about builds and layers: maps, and a clock that the test moves. */
type Lease = { owner: string; untilMs: number };
type Model = {
  nowMs: number;
  builds: { cache: ImageCache; lease?: Lease; uses: Set<number> }[];
  /** Uses by caches that are Ready. */
  ready: { cache: ImageCache; uses: Set<number> }[];
  layers: Map<number, { state: 'absent' | 'converting' | 'ready' | 'removing'; lease?: Lease }>;
};

type Step = { action: (typeof ACTIONS)[number]; owner: string; layer: number; pick: number; waitMs: number };

const steps = fc.array(
  fc.record<Step>({
    action: fc.constantFrom(...ACTIONS),
    owner: fc.constantFrom(...OWNERS),
    layer: fc.constantFrom(...LAYERS),
    pick: fc.nat({ max: 5 }),
    waitMs: fc.constantFrom(0, 0, 1, LEASE_MS / 2, LEASE_MS),
  }),
  { minLength: 40, maxLength: 120, size: 'max' },
);

const isFree = (lease: Lease | undefined, nowMs: number) => lease === undefined || lease.untilMs <= nowMs;

async function take(store: Store, model: Model, step: Step): Promise<void> {
  const { owner, layer } = step;
  const { nowMs } = model;
  const lease = { owner, untilMs: nowMs + LEASE_MS };
  const build = model.builds[step.pick % Math.max(model.builds.length, 1)];
  const isHeld = build?.lease?.owner === owner;
  const id = build?.cache.containerGroupId ?? 'eci-none';
  const entry = model.layers.get(layer);
  const holdsLayer = entry?.lease?.owner === owner;
  const snapshotId = snapshotIdOf(id);
  const end = () => model.builds.splice(build ? model.builds.indexOf(build) : 0, 1);
  const isUsed = [...model.builds, ...model.ready].some(({ uses }) => uses.has(layer));

  switch (step.action) {
    case 'create':
      // One time for all: the order of the queue is then that of the ids, which the model sorts by as well.
      model.builds.push({ cache: await create(store, { createdAtMs: 0 }), uses: new Set() });
      return;
    case 'claim': {
      const oldest = model.builds
        .filter((other) => isFree(other.lease, nowMs))
        .toSorted((a, b) => (a.cache.containerGroupId < b.cache.containerGroupId ? -1 : 1))[0];
      const claimed = await store.builds.claim(owner, nowMs, LEASE_MS);
      assert.equal(claimed?.id, oldest?.cache.containerGroupId);
      if (oldest) oldest.lease = lease;
      return;
    }
    case 'renew':
      assert.equal(await store.builds.renew(id, owner, lease.untilMs), isHeld);
      if (build && isHeld) build.lease = lease;
      return;
    case 'release':
      await store.builds.release(id, owner);
      if (build && isHeld) delete build.lease;
      return;
    case 'ready': {
      if (!build) return;
      const missing = [...build.uses].some((used) => model.layers.get(used)?.state !== 'ready');
      assert.equal(missing, false, 'a layer in use went away');
      assert.equal(await finishReady(store, build.cache, { owner, layers: [...build.uses], nowMs }), isHeld);
      if (isHeld) model.ready.push(...end());
      return;
    }
    case 'fail': {
      const result = { status: 'Failed', expiresAtMs: nowMs, events: [] } as const;
      assert.equal(await store.builds.finish(id, owner, result, nowMs), isHeld);
      if (isHeld) end();
      return;
    }
    case 'delete': {
      const victim = step.pick % 2 === 0 && build ? build : model.ready[0];
      if (!victim) return;
      assert.equal(await store.caches.delete(victim.cache), true);
      model.builds = model.builds.filter((other) => other !== victim);
      model.ready = model.ready.filter((other) => other !== victim);
      return;
    }
    case 'claimLayer': {
      if (!build) return;
      const { state } = await store.layers.claim(digestOf(layer), { owner, snapshotId, nowMs, leaseMs: LEASE_MS });
      const free = isFree(entry?.lease, nowMs);
      assert.equal(state, entry?.state === 'ready' ? 'ready' : free ? 'claimed' : 'busy');
      if (state === 'ready') build.uses.add(layer);
      if (state === 'claimed') model.layers.set(layer, { state: 'converting', lease });
      return;
    }
    case 'publish': {
      if (!build) return;
      const may = holdsLayer && entry.state === 'converting';
      assert.equal(await store.layers.publish(layerOf(layer), { owner, snapshotId, nowMs }), may);
      if (!may) return;
      model.layers.set(layer, { state: 'ready' });
      build.uses.add(layer);
      return;
    }
    case 'use': {
      if (!build) return;
      const found = await store.layers.use(digestOf(layer), snapshotId);
      assert.equal(found !== undefined, entry?.state === 'ready');
      if (found) build.uses.add(layer);
      return;
    }
    case 'releaseLayer':
      if (entry?.state === 'removing') return;
      await store.layers.release(digestOf(layer), owner);
      if (holdsLayer) model.layers.set(layer, { state: 'absent' });
      return;
    case 'remove': {
      const may = !isUsed && isFree(entry?.lease, nowMs);
      assert.equal(await store.layers.claimForRemoval(digestOf(layer), { owner, nowMs, leaseMs: LEASE_MS }), may);
      if (may) model.layers.set(layer, { state: 'removing', lease });
      return;
    }
    case 'forget':
      await store.layers.forget(digestOf(layer), owner);
      if (holdsLayer && entry.state === 'removing') model.layers.delete(layer);
      return;
  }
}

async function compare(store: Store, model: Model): Promise<void> {
  const used = new Set([...model.builds, ...model.ready].flatMap(({ uses }) => [...uses]));
  const unused = [...model.layers.keys()].filter((layer) => !used.has(layer)).map(digestOf);
  assert.deepEqual((await store.layers.listUnreferenced()).toSorted(), unused.toSorted());
  const snapshots = [...model.builds, ...model.ready].map(({ cache }) => snapshotIdOf(cache.containerGroupId));
  assert.deepEqual([...(await store.caches.snapshotIds())].toSorted(), snapshots.toSorted());
  for (const { cache } of model.ready) assert.equal((await read(store, cache))?.status, 'Ready');
}

/** Any steps of builds, workers and collectors, in any order: the store answers as the model does. */
export function describeStoreModel(name: string, open: () => Promise<Store>): void {
  test(`store contract: ${name}: builds and layers behave like the model`, async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const store = await open();
        const model: Model = { nowMs: 0, builds: [], ready: [], layers: new Map() };
        try {
          for (const step of list) {
            model.nowMs += step.waitMs;
            await take(store, model, step);
          }
          await compare(store, model);
        } finally {
          await store.close();
        }
      }),
      { numRuns: RUNS },
    );
  });
}
