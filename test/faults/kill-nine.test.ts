/** kill -9: the real server under load, killed at random moments; each time its folder is checked, and the server goes on. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiCallError, type Client, createClient } from '../../src/client/index.ts';
import { ACCESS_KEY, REGION_ID, startLarder } from '../support/larder-server.ts';
import { randomNumbers } from '../support/random.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { checkFolder } from './support/check-folder.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { putFaultImages } from './support/fault-images.ts';
import { createLoad, type Load } from './support/load.ts';
import { movingClock } from './support/moving-clock.ts';
import { type Mark, promisesAfter } from './support/promises.ts';

const EFFORT_MS = 18_000;
const CLIENTS = 3;
const MAX_LIFE_MS = 1_200;
const CALL_TIMEOUT_MS = 20_000;
const SETTLE_TIMEOUT_MS = 30_000;
const POLL_MS = 20;
const DAY_MS = 86_400_000;
/** Before so many of the kills the clock goes on, and caches expire. */
const JUMP_SHARE = 0.4;
/** Expiry is over soon. */
const MAX_EXPIRY_MS = 150;

test('the server may be killed at any moment', { timeout: 24 * 3_600_000 }, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const endMs = performance.now() + effortMs(EFFORT_MS, 1);
  await using registry = await startScriptedRegistry();
  const images = await putFaultImages(registry);
  const clockFile = join(await mkdtemp(join(tmpdir(), 'larder-clock-')), 'offset');
  await writeFile(clockFile, '0');
  using clock = movingClock(clockFile);
  await using server = await startLarder({
    env: {
      ...clock.env,
      LARDER_PLAIN_HTTP_REGISTRIES: registry.host,
      LARDER_GC_GRACE_SECONDS: '0',
      LARDER_DECOMPRESSOR: 'node',
      LARDER_LOG_LEVEL: 'warn',
      LARDER_LIMITS: 'createsPerMinute=0',
    },
  });
  const client = createClient({
    ...ACCESS_KEY,
    endpoint: server.endpoint,
    regionId: REGION_ID,
    timeoutMs: CALL_TIMEOUT_MS,
  });
  const marks: Mark[] = [];
  const tell = (mark: Mark) => void marks.push(mark);
  const loads = Array.from({ length: CLIENTS }, (_, number) =>
    createLoad(client, {
      random: randomNumbers(seed + number),
      images: images.references,
      missing: images.missing,
      tell,
      waitShare: 0.5,
    }),
  );
  const check = (directory: string) =>
    // The clock of this process has gone on, too.
    checkFolder(directory, { ...promisesAfter(marks), offsetMs: 0 }, images);
  let [kills, jumps, expired] = [0, 0, 0];

  /** The clock goes on by two days; returns when the server knows. */
  async function jump(): Promise<void> {
    const offsetMs = 2 * DAY_MS * ++jumps;
    await writeFile(clockFile, `${offsetMs}`);
    process.kill(server.pid, 'SIGUSR2');
    clock.read();
    tell({ kind: 'jump', offsetMs });
    for (const load of loads) load.clockJumped();
    expired += (await callUntilInTime(client)).filter(isExpired).length;
  }

  while (kills === 0 || performance.now() < endMs) {
    const isJump = kills > 0 && (kills === 1 || random() < JUMP_SHARE);
    if (isJump) await jump();
    await workAndKill(server, loads, random() * (isJump ? MAX_EXPIRY_MS : MAX_LIFE_MS));
    kills++;
    const copy = await mkdtemp(join(tmpdir(), 'larder-killed-'));
    try {
      await cp(server.dataDirectory, copy, { recursive: true, preserveTimestamps: true });
      assert.deepEqual(await check(copy), [], `seed ${seed}, kill ${kills}`);
    } finally {
      await rm(copy, { recursive: true });
    }
    await server.start();
    await settled(client);
  }
  await server.stop();
  assert.deepEqual(await check(server.dataDirectory), [], `seed ${seed}, at the end`);
  await rm(dirname(clockFile), { recursive: true });
  t.diagnostic(
    `seed ${seed}: ${kills} kills, ${jumps} of them while ${expired} caches expired, ${marks.length} answers`,
  );
});

async function workAndKill(server: { kill(): Promise<void> }, loads: readonly Load[], lifeMs: number): Promise<void> {
  const killing = new AbortController();
  const working = loads.map(async (load) => {
    while (!killing.signal.aborted) {
      try {
        await load.step();
      } catch (error) {
        if (!killing.signal.aborted) throw error;
      }
    }
  });
  const killed = sleep(lifeMs).then(() => {
    killing.abort();
    return server.kill();
  });
  await Promise.all([killed, ...working]);
}

type ShownCache = { ImageCacheId: string; Status: string; ExpireDateTime?: string };

async function listCaches(client: Client): Promise<ShownCache[]> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form that the API's documents promise
  const answer = (await client.call('DescribeImageCaches', { Limit: 50 })) as { ImageCaches: ShownCache[] };
  return answer.ImageCaches;
}

/** The first answer of a server whose clock is on its way to ours. */
async function callUntilInTime(client: Client): Promise<ShownCache[]> {
  for (const endMs = performance.now() + SETTLE_TIMEOUT_MS; ; await sleep(1)) {
    try {
      return await listCaches(client);
    } catch (error) {
      const isEarly = error instanceof ApiCallError && error.apiCode.startsWith('InvalidTimeStamp');
      if (!isEarly || performance.now() > endMs) throw error;
    }
  }
}

function isExpired({ ExpireDateTime }: ShownCache): boolean {
  return ExpireDateTime !== undefined && Date.parse(ExpireDateTime) <= Date.now();
}

/** No build is under way any more, and what has expired is gone: the restarted server took up what the one that died left. */
async function settled(client: Client): Promise<void> {
  for (const endMs = performance.now() + SETTLE_TIMEOUT_MS; ; await sleep(POLL_MS)) {
    const busy = (await listCaches(client)).filter(
      (cache) => ['Preparing', 'Creating', 'Updating'].includes(cache.Status) || isExpired(cache),
    );
    if (busy.length === 0) return;
    assert.ok(performance.now() < endMs, `they hang: ${JSON.stringify(busy)}`);
  }
}
