/**
 * Power cuts of a node: the agent is recorded while it fetches snapshots; whatever a cut at any moment leaves, what it had said to
 * be local still is, with the right bytes, and the next run brings the rest and leaves nothing over.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { verifyFile } from '../../src/blobs/index.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logger.ts';
import { type AgentFolder, blobFilesIn } from '../../src/nodes/agent/data-folder.ts';
import { openAgent, openAgentFolder } from '../../src/nodes/agent/index.ts';
import { openLocalSnapshots } from '../../src/nodes/agent/local-snapshots.ts';
import { wantedBlobs } from '../../src/nodes/agent/wanted-blobs.ts';
import { layerFileOf } from '../../src/nodes/index.ts';
import { ACCESS_KEY, REGION_ID } from '../support/larder-server.ts';
import { randomNumbers } from '../support/random.ts';
import { buildImage } from '../support/registry-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { startScriptedRegistry } from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import type { DiskOperation } from './support/disk-operations.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { strace } from './support/record.ts';
import { choosePoints, replayWith } from './support/replay.ts';
import { type Service, startService } from './support/service.ts';
import { readTrace } from './support/syscall-trace.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const EFFORT_MS = 6_000;
const CUTS_PER_RECORDING = 100;
const RUN_TIMEOUT_MS = 30_000;
/** Some are less than a piece of the tree digest, some are more. */
const LAYER_BYTES = [2_000, 300_000, 2_500_000];
const EVERYTHING = { caches: [], tags: [], all: true };
const skip = skipWithout({ tools: ['strace'] });

test('a power cut of a node takes nothing that was local', { skip, timeout: 24 * 3_600_000 }, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const seen = new Set<string>();
  await using registry = await startScriptedRegistry();
  await using service = await startService({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
  const layers = LAYER_BYTES.map((bytes, index) =>
    Buffer.concat([...writeTar([{ name: `${index}`, type: 'file', content: randomBytes(bytes) }])]),
  );
  for (const [index, layer] of layers.entries()) {
    registry.putImage('app', buildImage({ layers: [layer, ...layers.slice(0, index)] }), `${index}`);
    const id = await service.create(`${registry.host}/app:${index}`);
    assert.equal((await service.settled(id)).Status, 'Ready');
  }
  let cuts = 0;
  for (let endMs = 0, round = 0; round === 0 || performance.now() < endMs; round++) {
    const recording = await recordAgent(service);
    if (round === 0) endMs = performance.now() + effortMs(EFFORT_MS, 1);
    const { length } = recording.operations;
    assert.equal(localBefore(recording.operations, length).length, LAYER_BYTES.length);
    const check = (directory: string, at: number) =>
      checkNode(directory, localBefore(recording.operations, at), service);
    const end = { index: length, mode: 'synced' } as const;
    const last = await replayWith({ ...recording, check }, [end], { random, seen });
    assert.deepEqual(last.wrong, [], `seed ${seed}: at the end`);
    const points = choosePoints(length, { count: CUTS_PER_RECORDING, random });
    const { distinct, wrong } = await replayWith({ ...recording, check }, points, { random, seen, endMs });
    cuts += distinct;
    assert.deepEqual(wrong.slice(0, 3), [], `seed ${seed}: ${wrong.length} of ${distinct} cuts`);
  }
  t.diagnostic(`seed ${seed}: ${cuts} power cuts of a node`);
  assert.ok(cuts > 5);
});

/** `larder node run --once` under strace; the lines of its log are the marks. */
async function recordAgent({ server }: Service): Promise<{ root: string; operations: readonly DiskOperation[] }> {
  const home = await mkdtemp(join(tmpdir(), 'larder-record-'));
  const [trace, marks, root] = [join(home, 'trace'), join(home, 'marks'), join(home, 'data')];
  const log = await open(marks, 'w');
  try {
    await strace(trace, [MAIN, 'node', 'run', '--once', '--all', '--data', root], {
      stderr: log.fd,
      env: {
        LARDER_ENDPOINT: server.endpoint,
        LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
        LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
        LARDER_REGION: REGION_ID,
      },
    });
    return { root, operations: await readTrace(trace, { root, marks }) };
  } finally {
    await log.close();
    await rm(home, { recursive: true });
  }
}

/** The snapshots that the agent had said to be local. */
function localBefore(operations: readonly DiskOperation[], index: number): string[] {
  const lines = operations.slice(0, index).flatMap((one) => (one.kind === 'mark' ? one.text.trim().split('\n') : []));
  return lines.flatMap((line) => {
    const { msg, snapshot } = JSON.parse(line);
    return msg === 'local' ? [String(snapshot)] : [];
  });
}

async function checkNode(directory: string, promised: readonly string[], service: Service): Promise<string[]> {
  const folder = await openAgentFolder(directory);
  try {
    const [before, wrongBefore] = await localIn(folder);
    const problems = promised.filter((id) => !before.includes(id)).map((id) => `${id} was local and is not`);
    const { client, server } = service;
    const agent = await openAgent({
      folder,
      client,
      endpoint: server.endpoint,
      selection: EVERYTHING,
      concurrency: 2,
      intervalMs: 1000,
      clock: systemClock,
      log: silentLogger,
    });
    await agent.runOnce(AbortSignal.timeout(RUN_TIMEOUT_MS));
    const [after, wrongAfter] = await localIn(folder);
    if (after.length !== LAYER_BYTES.length) problems.push(`${after.length} snapshots are local after a run`);
    const left = [...(await readdir(folder.incomingSnapshots)), ...(await partsIn(directory))];
    return [...problems, ...wrongBefore, ...wrongAfter, ...left.map((name) => `${name} is left over`)];
  } finally {
    folder.release();
  }
}

/** What an agent takes for local here, and which blobs of that are not what they should be. */
async function localIn(folder: AgentFolder): Promise<[ids: string[], wrong: string[]]> {
  const { all } = await openLocalSnapshots(folder, silentLogger);
  const wrong: string[] = [];
  for (const [id, snapshot] of all) {
    for (const { key, blobDigest } of wantedBlobs(snapshot))
      if (!(await verifyFile(layerFileOf(folder.directory, key), blobDigest))) wrong.push(`${id}: ${key} is wrong`);
  }
  return [[...all.keys()], wrong];
}

async function partsIn(directory: string): Promise<string[]> {
  return (await blobFilesIn(directory)).filter(({ isPart }) => isPart).map(({ path }) => path);
}
