/**
 * A program, to be run under strace: the whole server, and clients of it in the same process, so that what they are told has
 * its place among the system calls: it is written to the file of marks.
 */
import { openSync, writeSync } from 'node:fs';
import { pino } from 'pino';
import { createClient } from '../../../src/client/index.ts';
import { loadServerConfig } from '../../../src/config/index.ts';
import { type RunningServer, startServer } from '../../../src/server/index.ts';
import { ACCESS_KEY, REGION_ID } from '../../support/larder-server.ts';
import { randomNumbers } from '../../support/random.ts';
import { createLoad } from './load.ts';
import type { Mark } from './promises.ts';

const DAY_MS = 86_400_000;
const TIMEOUT_MS = 20_000;

export type ScenarioOptions = {
  dataDirectory: string;
  marks: string;
  images: readonly string[];
  missing: string;
  seed: number;
  /** Clients that work at the same time, and what each does between two restarts. */
  clients: number;
  steps: number;
  rounds: number;
};

if (process.argv[1] === import.meta.filename) {
  const options: ScenarioOptions = JSON.parse(process.argv[2] ?? '');
  await play(options);
}

/** Rounds of work; between them the clock goes on by two days, so that caches expire, and the server is restarted. */
async function play(options: ScenarioOptions): Promise<void> {
  const { dataDirectory, images, missing, seed } = options;
  const marks = openSync(options.marks, 'w');
  const tell = (mark: Mark) => void writeSync(marks, `${JSON.stringify(mark)}\n`);
  let offsetMs = 0;
  const realNow = Date.now;
  Date.now = () => realNow() + offsetMs;
  const host = images[0]?.split('/')[0] ?? '';
  const config = loadServerConfig(
    {
      LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
      LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
      LARDER_PLAIN_HTTP_REGISTRIES: host,
      LARDER_DECOMPRESSOR: 'node',
      LARDER_GC_GRACE_SECONDS: '0',
      DOCKER_CONFIG: `${dataDirectory}/docker`,
    },
    { dataDirectory, defaultRegionId: REGION_ID, listen: '127.0.0.1:0' },
  );
  const start = () => startServer(config, { log: pino({ level: 'silent' }) });
  let server: RunningServer = await start();
  const connect = () =>
    createClient({ ...ACCESS_KEY, endpoint: server.endpoint, regionId: REGION_ID, timeoutMs: TIMEOUT_MS });
  for (let round = 0; round < options.rounds; round++) {
    const loads = Array.from({ length: options.clients }, (_, number) =>
      createLoad(connect(), { random: randomNumbers(seed + 100 * round + number), images, missing, tell }),
    );
    await Promise.all(
      loads.map(async (load) => {
        for (let step = 0; step < options.steps; step++) await load.step();
      }),
    );
    offsetMs += 2 * DAY_MS;
    tell({ kind: 'jump', offsetMs });
    // A deletion wakes the worker, who looks for what has expired.
    for (const load of loads) {
      const [ready] = [...load.caches].find(([, { isReady }]) => isReady) ?? [];
      if (ready !== undefined) await load.delete(ready).catch(() => undefined);
    }
    await server.stop();
    if (round < options.rounds - 1) server = await start();
  }
}
