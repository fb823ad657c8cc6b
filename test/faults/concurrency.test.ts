/** Random operations at the same time, against a model that is a map: what the store and the disk hold is what the model says. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { expireCaches } from '../../src/builds/expire-caches.ts';
import { collectGarbage } from '../../src/builds/index.ts';
import { LEASE_MS } from '../../src/builds/services.ts';
import {
  expiry,
  failedExpiry,
  type ImageCache,
  INITIAL_STATUS,
  parseSnapshot,
  planUpdate,
} from '../../src/caches/index.ts';
import { hexOf } from '../../src/lib/digest.ts';
import { errorCode, LarderError } from '../../src/lib/errors.ts';
import { newId } from '../../src/lib/ids.ts';
import { pick, randomNumbers } from '../support/random.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { fastTemporaryFolder } from './support/fast-folder.ts';
import { type FaultImages, putFaultImages } from './support/fault-images.ts';
import { type ModelHouse, openModelHouse } from './support/model-house.ts';
import { type Attempt, type Change, outcomes, type Raced } from './support/race-model.ts';

const EFFORT_MS = 14_000;
const SCOPE = { accountId: '1', regionId: 'test-1' };
const MAX_CACHES = 12;
const MAX_OPERATIONS_AT_ONCE = 16;
const JUMPS_MS = [1, 1000, LEASE_MS + 1, 3_600_000, 90_000_000, -1000, -90_000_000];
const SETTLE_TIMEOUT_MS = 60_000;
/**
 * A build whose layer was taken goes on when its lease lapses: by the clock of the test, which is helped along after so long,
 * and again after twice as long each time. On a busy machine more would be as many workers that a build took down, which fails it.
 */
const NUDGE_MS = 2_000;
const POLL_MS = 3;
const WRONG_STATUS = 'model.wrong-status';
/** Changes of one cache at the same time; every order of them is tried out for what may come of it. */
const MAX_RACERS = 4;

/** What the model knows of a cache; `wanted` is the image that a build under way brings. */
type Known = {
  name: string;
  tag: string;
  image: string;
  wanted?: string;
  hasContent: boolean;
  expiresAtMs?: number;
  /** It was changed by several at once: what may have come of it. */
  outcomes?: (Raced | undefined)[];
};

test('operations at the same time leave what one after the other would', { timeout: 24 * 3_600_000 }, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const endMs = performance.now() + effortMs(EFFORT_MS, 1);
  const directory = await mkdtemp(join(fastTemporaryFolder(), 'larder-model-'));
  const registry = await startScriptedRegistry();
  const images = await putFaultImages(registry);
  await registry[Symbol.asyncDispose]();
  const house = await openModelHouse(directory, images);
  const model = new Map<string, Known>();
  const attached = new Map<string, string[]>();
  let operations = 0;
  try {
    while (performance.now() < endMs) {
      const at = `seed ${seed}, after ${operations} operations`;
      operations += await inTime(doSome({ house, model, attached, images, random }), at);
      await settle(house, at);
      await expireCaches(house.services, new AbortController().signal);
      await compare({ house, model, attached }, { at, isCollected: random() < 0.5, missing: images.missing });
    }
  } finally {
    await house.close();
    await rm(directory, { recursive: true });
  }
  t.diagnostic(`seed ${seed}: ${operations} operations`);
  assert.ok(operations > 50);
});

/** Whatever does not end is a difference, too. */
async function inTime<T>(promise: Promise<T>, at: string): Promise<T> {
  const ended = new AbortController();
  const late = sleep(SETTLE_TIMEOUT_MS, undefined, { signal: ended.signal }).then(() => assert.fail(`${at}: it hangs`));
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
    await late.catch(() => undefined);
  }
}

type World = { house: ModelHouse; model: Map<string, Known>; attached: Map<string, string[]> };

/** Some operations at once, most on a cache of their own, among them what happens to all of them. Returns how many. */
async function doSome(world: World & { images: FaultImages; random: () => number }): Promise<number> {
  const { house, model, attached, images, random } = world;
  const { services, clock } = house;
  const anyImage = () => (random() < 0.1 ? images.missing : pick(images.references, random));
  const isJump = random() < 0.3;
  if (isJump) clock.nowMs += pick(JUMPS_MS, random);
  const nowMs = clock.nowMs;
  const free = [...model].filter(([, { expiresAtMs = Number.POSITIVE_INFINITY }]) => expiresAtMs > nowMs + 1000);
  const count = 1 + Math.floor(random() * MAX_OPERATIONS_AT_ONCE);
  const running: Promise<unknown>[] = [];
  const key = (id: string) => ({ ...SCOPE, id });
  let done = 0;

  function change(id: string, what: Parameters<typeof planUpdate>[1]): Promise<void> {
    const buildId = newId('eci', randomBytes);
    return services.store.caches.change(
      SCOPE,
      [id],
      (cache) => {
        const plan = planUpdate(cache, what, { nowMs, buildId });
        if (plan.kind !== 'change') throw new LarderError(WRONG_STATUS, `${id} is ${cache.status}: ${plan.kind}`);
        const { registries } = cache;
        const build = { id: buildId, images: what.images ?? [], options: { ...registries, credentials: [] } };
        return plan.rebuild ? { cache: plan.cache, build } : { cache: plan.cache };
      },
      { nowMs },
    );
  }

  const newTag = () => `${Math.floor(random() * 1e9)}`;

  function retag(id: string, value: string): Promise<void> {
    const tags = [{ key: 'k', value }];
    return services.store.caches.change(SCOPE, [id], (cache) => ({ cache: { ...cache, tags } }), { nowMs });
  }

  async function attempt(id: string, what: Change): Promise<Attempt> {
    try {
      if (what.kind === 'delete') return { change: what, isDone: await services.store.caches.delete(key(id)) };
      if (what.kind === 'tag') await retag(id, what.tag);
      else await change(id, what.kind === 'rename' ? { name: what.name } : { images: [what.image] });
      return { change: what, isDone: true };
    } catch (error) {
      if (errorCode(error) !== 'store.not-found' && errorCode(error) !== WRONG_STATUS) throw error;
      return { change: what, isDone: false };
    }
  }

  function anyChange(): Change {
    const kind = pick(['delete', 'rename', 'tag', 'update', 'update'] as const, random);
    if (kind === 'delete') return { kind };
    if (kind === 'rename') return { kind, name: newId('s', randomBytes) };
    return kind === 'tag' ? { kind, tag: newTag() } : { kind, image: anyImage() };
  }

  /** Several change one cache: any order of them is right. */
  async function race(id: string, known: Known, changes: readonly Change[]): Promise<void> {
    const attempts = await Promise.all(changes.map((one) => attempt(id, one)));
    known.outcomes = outcomes(known, attempts, images.missing);
  }

  for (let index = 0; index < count; index++) {
    const [entry] = free.splice(Math.floor(random() * free.length), 1);
    const chance = random();
    done++;
    if (chance < 0.08) running.push(collectGarbage(services, `collector/${index}`, new AbortController().signal));
    else if (chance < 0.14) running.push(expireCaches(services, new AbortController().signal));
    else if (entry === undefined || (chance < 0.4 && model.size < MAX_CACHES)) {
      if (model.size >= MAX_CACHES) continue;
      const cache = newCache({ nowMs, image: anyImage(), mayExpire: random() < 0.3 });
      model.set(cache.id, {
        name: cache.name,
        tag: '',
        image: cache.images[0] ?? '',
        wanted: cache.images[0] ?? '',
        hasContent: false,
        ...(cache.expiresAtMs === undefined ? {} : { expiresAtMs: cache.expiresAtMs }),
      });
      const options = { ...cache.registries, credentials: [] };
      running.push(services.store.caches.create(cache, { id: cache.containerGroupId, options }));
    } else {
      const [id, known] = entry;
      if (chance < 0.48 && known.hasContent) {
        const changes = Array.from({ length: 2 + Math.floor(random() * (MAX_RACERS - 1)) }, anyChange);
        done += changes.length - 1;
        running.push(race(id, known, changes));
      } else if (chance < 0.55) {
        model.delete(id);
        running.push(services.store.caches.delete(key(id)).then((was) => assert.ok(was, `${id} was there`)));
      } else if (chance < 0.7 && known.hasContent) {
        known.wanted = anyImage();
        running.push(change(id, { images: [known.wanted] }));
      } else if (chance < 0.8 && known.hasContent) {
        known.name = newId('s', randomBytes);
        running.push(change(id, { name: known.name }));
      } else if (chance < 0.9) {
        known.tag = newTag();
        running.push(retag(id, known.tag));
      } else if (random() < 0.5 && attached.size > 0) {
        const name = pick([...attached.keys()], random);
        attached.delete(name);
        running.push(house.detach(name));
      } else if (known.hasContent) {
        // The blobs of the cache as it is now; an update in this round takes other caches.
        const hexes = await blobsOf(house, id);
        attached.set(id, hexes);
        running.push(house.attach(id, hexes));
      }
    }
    if (random() < 0.5) house.wake();
    if (random() < 0.2) await sleep(random() * 5);
  }
  await Promise.all(running);
  // While builds are under way, lapsed leases are taken over, and a restart interrupts what runs.
  if (random() < 0.2) {
    clock.nowMs += LEASE_MS + 1;
    done++;
  }
  if (random() < 0.15) {
    await sleep(random() * 10);
    await house.restart();
    done++;
  }
  house.wake();
  return done + Number(isJump);
}

function newCache(how: { nowMs: number; image: string; mayExpire: boolean }): ImageCache {
  const expiresAtMs = how.mayExpire ? expiry(how.nowMs, 1) : undefined;
  return {
    ...SCOPE,
    id: newId('imc', randomBytes),
    name: newId('s', randomBytes),
    images: [how.image],
    status: INITIAL_STATUS,
    progressPercent: 0,
    sizeGib: 1,
    createdAtMs: how.nowMs,
    ...(expiresAtMs === undefined ? {} : { retentionDays: 1, expiresAtMs }),
    containerGroupId: newId('eci', randomBytes),
    resourceGroupId: 'rg-default',
    eliminationStrategy: '',
    registries: { plainHttpRegistries: [], insecureRegistries: [] },
    tags: [],
    events: [],
  };
}

async function allCaches({ services }: ModelHouse): Promise<Map<string, ImageCache>> {
  const { caches } = await services.store.caches.find(SCOPE, { limit: 10 * MAX_CACHES });
  return new Map(caches.map((cache) => [cache.id, cache]));
}

async function blobsOf({ services }: ModelHouse, id: string): Promise<string[]> {
  const [cache] = (await services.store.caches.find({ ...SCOPE, id }, { limit: 1 })).caches;
  const text = await services.blobs.getSnapshot(cache?.snapshotId ?? '');
  if (text === undefined) throw new Error(`${id} has no manifest`);
  const snapshot = parseSnapshot(cache?.snapshotId ?? '', text);
  return [...new Set(snapshot.images.flatMap(({ layers }) => layers.map(({ blob }) => hexOf(blob))))];
}

async function settle(house: ModelHouse, at: string): Promise<void> {
  const beganMs = performance.now();
  for (let nudges = 0; ; await sleep(POLL_MS)) {
    const counts = await house.services.store.caches.countByStatus();
    const busy = (['Preparing', 'Creating', 'Updating'] as const).filter((status) => (counts.get(status) ?? 0) > 0);
    if (busy.length === 0) return;
    const waitedMs = performance.now() - beganMs;
    assert.ok(waitedMs < SETTLE_TIMEOUT_MS, `${at}: caches stay ${busy.join()}`);
    if (waitedMs < NUDGE_MS * 2 ** nudges) continue;
    nudges++;
    house.clock.nowMs += LEASE_MS + 1;
    house.wake();
  }
}

async function compare(
  { house, model, attached }: World,
  { at, isCollected, missing }: { at: string; isCollected: boolean; missing: string },
): Promise<void> {
  const { services, clock } = house;
  const found = await allCaches(house);
  const used = new Set<string>();
  for (const [id, known] of model) {
    const cache = found.get(id);
    if (known.outcomes) {
      if (cache === undefined && known.outcomes.includes(undefined)) {
        model.delete(id);
        continue;
      }
      const came = cache && known.outcomes.find((one) => one !== undefined && isOutcome(cache, one, missing));
      assert.ok(cache === undefined || came, `${at}: ${JSON.stringify(cache)} is none of ${JSON.stringify(known)}`);
      Object.assign(known, came, { outcomes: undefined });
    }
    const isMissing = known.wanted === missing;
    const mayFail = isMissing && !known.hasContent;
    const isExpired = (known.expiresAtMs ?? Number.POSITIVE_INFINITY) <= clock.nowMs;
    if (cache === undefined) {
      assert.ok(isExpired || mayFail, `${at}: ${id} is gone`);
      model.delete(id);
      continue;
    }
    if (known.wanted !== undefined) {
      if (!isMissing) Object.assign(known, { image: known.wanted, hasContent: true });
      else if (mayFail) {
        assert.ok(cache.expiresAtMs !== undefined && cache.expiresAtMs <= failedExpiry(clock.nowMs) + 1000, at);
        known.expiresAtMs = cache.expiresAtMs;
      }
    }
    const expected = known.hasContent ? (isMissing ? 'UpdateFailed' : 'Ready') : 'Failed';
    // Without a new build the status stays as it was.
    const status = known.wanted === undefined && known.hasContent ? ['Ready', 'UpdateFailed'] : [expected];
    delete known.wanted;
    const seen = {
      name: cache.name,
      images: cache.images,
      tag: cache.tags[0]?.value ?? '',
      expires: cache.expiresAtMs,
    };
    const wanted = { name: known.name, images: [known.image], tag: known.tag, expires: known.expiresAtMs };
    assert.deepEqual(seen, wanted, `${at}: ${id}`);
    assert.ok(status.includes(cache.status), `${at}: ${id} is ${cache.status}, not ${status.join()}`);
    assert.ok(cache.expiresAtMs === undefined || cache.expiresAtMs > clock.nowMs, `${at}: ${id} has expired`);
    if (known.hasContent) for (const hex of await blobsOf(house, id)) used.add(hex);
  }
  assert.deepEqual([...found.keys()].toSorted(), [...model.keys()].toSorted(), at);
  assert.equal(await services.store.caches.count(SCOPE), model.size, at);
  await compareBlobs({ house, attached }, { at, isCollected, used });
}

function isOutcome({ name, images, tags, status }: ImageCache, outcome: Raced, missing: string): boolean {
  const { wanted } = outcome;
  const image = wanted === undefined || wanted === missing ? outcome.image : wanted;
  const isAsBuilt = wanted === undefined || status === (wanted === missing ? 'UpdateFailed' : 'Ready');
  return isAsBuilt && name === outcome.name && images[0] === image && (tags[0]?.value ?? '') === outcome.tag;
}

/** Every blob that a cache needs is there; after a collection no others, but those that are attached. */
async function compareBlobs(
  { house, attached }: Pick<World, 'house' | 'attached'>,
  { at, isCollected, used }: { at: string; isCollected: boolean; used: ReadonlySet<string> },
): Promise<void> {
  const { services } = house;
  if (isCollected) {
    const orphans = { keeper: services.keeper, graceMs: Number.NEGATIVE_INFINITY };
    await collectGarbage(services, 'collector/end', new AbortController().signal, { orphans });
  }
  const there = await house.blobs();
  const lost = [...used].filter((hex) => !there.has(hex));
  assert.deepEqual(lost, [], `${at}: blobs are gone that caches need`);
  const held = new Set([...attached.values()].flat());
  const taken = [...held].filter((hex) => !there.has(hex));
  assert.deepEqual(taken, [], `${at}: blobs are gone that are attached`);
  const kept = [...there].filter((hex) => !used.has(hex));
  if (isCollected)
    assert.deepEqual(
      kept.filter((hex) => !held.has(hex)),
      [],
      `${at}: blobs are left over`,
    );
  const snapshots = new Set<string>();
  for await (const id of services.blobs.listSnapshots()) snapshots.add(id);
  const named = await services.store.caches.snapshotIds();
  for (const id of snapshots) if (isCollected) assert.ok(named.has(id), `${at}: manifest ${id} is left over`);
}
