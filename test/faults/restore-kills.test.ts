/** `larder restore` is killed at random moments: its folder is then whole, or no server starts on it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadServerConfig } from '../../src/config/index.ts';
import { errorCode } from '../../src/lib/errors.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { checkData, startServer } from '../../src/server/index.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { REGION_ID, startLarder } from '../support/larder-server.ts';
import { randomNumbers } from '../support/random.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { putFaultImages } from './support/fault-images.ts';

const SHORT_MS = 5_000;
const TIMEOUT_MS = 30_000;
const POLL_MS = 1;
const MAIN = join(import.meta.dirname, '../../src/main.ts');
const { signal } = new AbortController();

test('a restore may be killed at any moment', { timeout: 24 * 3_600_000 }, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const work = await mkdtemp(join(tmpdir(), 'larder-restore-'));
  t.after(() => rm(work, { recursive: true }));
  const file = join(work, 'backup.tar');
  const blobs = await makeBackup(file);

  const folder = join(work, 'whole');
  const wholeMs = await restore(t, file, folder);
  assert.equal(await stateOf(folder, blobs), 'whole');
  // A server does start on it.
  await (await start(folder)).stop();

  const counts = { whole: 0, refused: 0, untouched: 0 };
  for (const endMs = performance.now() + effortMs(SHORT_MS, 1); counts.refused === 0 || performance.now() < endMs; ) {
    const killed = join(work, 'killed');
    const killAfterMs = random() * wholeMs;
    await restore(t, file, killed, killAfterMs);
    counts[await stateOf(killed, blobs, `seed ${seed}, killed after ${killAfterMs} ms`)]++;
    await rm(killed, { recursive: true, force: true });
  }
  t.diagnostic(`seed ${seed}: restores killed in the middle: ${JSON.stringify(counts)}`);
});

test('a restore that was killed while its first file had a temporary name is refused as well', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'larder-restore-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, '.larder.db.restoring.24f6ff780e19'), '');
  assert.equal(await stateOf(folder, 0), 'refused');
});

/** Of a server with some image caches; with everything that a server needs. Returns how many layers it has. */
async function makeBackup(file: string): Promise<number> {
  await using registry = await startScriptedRegistry();
  const { references } = await putFaultImages(registry);
  await using server = await startLarder({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
  await createImageCacheClient(server.endpoint).createReady(references, TIMEOUT_MS);
  const options = ['--with-key', '--with-blobs', '--data', server.dataDirectory, '--output', 'json'];
  return Number(JSON.parse(await server.cli('backup', file, ...options)).Layers);
}

/** Milliseconds from the moment at which the folder is there until the command ended, or was killed, so many after that. */
async function restore(t: TestContext, file: string, folder: string, killAfterMs?: number): Promise<number> {
  const child = spawn(process.execPath, [MAIN, 'restore', file, '--data', folder], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(TIMEOUT_MS) });
  while (child.exitCode === null && !existsSync(folder)) await sleep(POLL_MS);
  const startedMs = performance.now();
  if (killAfterMs !== undefined) {
    await Promise.race([ended, sleep(killAfterMs)]);
    child.kill('SIGKILL');
  }
  const [code] = await ended;
  if (killAfterMs === undefined) assert.equal(code, 0);
  return performance.now() - startedMs;
}

function start(dataDirectory: string) {
  const flags = { dataDirectory, defaultRegionId: REGION_ID, listen: '127.0.0.1:0' };
  return startServer(loadServerConfig({}, flags), { log: silentLogger });
}

/** Fails for a folder on which a server starts and that has not everything. */
async function stateOf(folder: string, blobs: number, at = ''): Promise<'whole' | 'refused' | 'untouched'> {
  const names = await readdir(folder).catch((): string[] => []);
  if (names.length === 0) return 'untouched';
  if (names.includes('larder.db')) {
    const check = await checkData(folder, { isDeep: true, signal });
    assert.deepEqual([check.problems, check.blobs, check.snapshots], [[], blobs, 1], at);
    return 'whole';
  }
  const failure = await start(folder).then(
    (server) => server.stop(),
    (error: unknown) => error,
  );
  assert.equal(errorCode(failure), 'server.restore-unfinished', `${at}: ${names.join(' ')}`);
  assert.deepEqual((await readdir(folder)).toSorted(), names.toSorted(), at);
  return 'refused';
}
