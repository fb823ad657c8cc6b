/** kill -9: the real server under load, killed at random moments; each time its folder is checked, and the server goes on. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, createClient } from '../../src/client/index.ts';
import { ACCESS_KEY, REGION_ID, startLarder } from '../support/larder-server.ts';
import { randomNumbers } from '../support/random.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { checkFolder } from './support/check-folder.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { putFaultImages } from './support/fault-images.ts';
import { createLoad, type Load } from './support/load.ts';
import { type Mark, promisesAfter } from './support/promises.ts';

const EFFORT_MS = 18_000;
const CLIENTS = 3;
const MAX_LIFE_MS = 1_200;
const CALL_TIMEOUT_MS = 20_000;
const SETTLE_TIMEOUT_MS = 30_000;
const POLL_MS = 20;

test('the server may be killed at any moment', { timeout: 24 * 3_600_000 }, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const endMs = performance.now() + effortMs(EFFORT_MS, 1);
  await using registry = await startScriptedRegistry();
  const images = await putFaultImages(registry);
  await using server = await startLarder({
    env: {
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
  let kills = 0;
  while (kills === 0 || performance.now() < endMs) {
    await workAndKill(server, loads, random() * MAX_LIFE_MS);
    kills++;
    const copy = await mkdtemp(join(tmpdir(), 'larder-killed-'));
    try {
      await cp(server.dataDirectory, copy, { recursive: true, preserveTimestamps: true });
      assert.deepEqual(await checkFolder(copy, promisesAfter(marks), images), [], `seed ${seed}, kill ${kills}`);
    } finally {
      await rm(copy, { recursive: true });
    }
    await server.start();
    await settled(client);
  }
  await server.stop();
  assert.deepEqual(
    await checkFolder(server.dataDirectory, promisesAfter(marks), images),
    [],
    `seed ${seed}, at the end`,
  );
  t.diagnostic(`seed ${seed}: ${kills} kills, ${marks.length} answers`);
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

/** No build is under way any more: the restarted server took up those of the one that died. */
async function settled(client: Client): Promise<void> {
  for (const endMs = performance.now() + SETTLE_TIMEOUT_MS; ; await sleep(POLL_MS)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form that the API's documents promise
    const answer = (await client.call('DescribeImageCaches', { Limit: 50 })) as {
      ImageCaches: { ImageCacheId: string; Status: string }[];
    };
    const busy = answer.ImageCaches.filter(({ Status }) => ['Preparing', 'Creating', 'Updating'].includes(Status));
    if (busy.length === 0) return;
    assert.ok(performance.now() < endMs, `they hang: ${JSON.stringify(busy)}`);
  }
}
