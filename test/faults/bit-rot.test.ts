/**
 * Bit rot: bits change in blobs, anywhere, without a write that the file system knows of, so that the blob carries the mark of a
 * verified file still. The scrub finds each, puts the blob aside, and it is rebuilt from the registry to the same bytes.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readdir, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOfFile, isMarkedVerified, VERIFIED_TIME_S } from '../../src/blobs/index.ts';
import { checkManifests, rebuildLayers, scrubBlob } from '../../src/builds/index.ts';
import type { StoredBlob } from '../../src/store/ports.ts';
import { type BuildHouse, openBuildHouse } from '../support/build-house.ts';
import { pick, randomNumbers } from '../support/random.ts';
import { buildImage } from '../support/registry-image.ts';
import { directory, file, hardLink, tarOf } from './support/corpus-tar.ts';
import { effortMs, faultSeed } from './support/effort.ts';

const SHORT_MS = 4_000;
const MIB = 2 ** 20;
/** The largest has pieces of a tree digest, not only one. */
const FILE_BYTES = [10, 5_000, 70_000, 400_000, 2.5 * MIB];
const MAX_FLIPPED_AT_ONCE = 5;
const MIN_FLIPS = 12;
const { signal } = new AbortController();

test('every flipped bit is found, its blob put aside and healed', { timeout: 24 * 3_600_000 }, async (t) => {
  const seed = faultSeed();
  const random = randomNumbers(seed);
  const house = await openBuildHouse(t);
  const { store, blobs } = house.services;
  const quarantine = join(house.directory, 'quarantine');
  const id = await buildCache(house);
  const stored = await store.health.storedBlobs({ limit: 100 });
  assert.equal(stored.length, FILE_BYTES.length + 1);
  const pathOf = ({ diffId }: StoredBlob) => blobs.path(diffId);
  let flips = 0;
  for (const endMs = performance.now() + effortMs(SHORT_MS, 1); flips < MIN_FLIPS || performance.now() < endMs; ) {
    const at = `seed ${seed}, after ${flips} flips`;
    const wanted = 1 + Math.floor(random() * MAX_FLIPPED_AT_ONCE);
    const flipped = new Set(Array.from({ length: wanted }, () => pick(stored, random)));
    for (const blob of flipped) {
      await flip(pathOf(blob), Math.floor(random() * blob.blobBytes * 8));
      assert.equal(await isMarkedVerified(pathOf(blob)), false, `${at}: a write takes the mark away`);
      await utimes(pathOf(blob), VERIFIED_TIME_S, VERIFIED_TIME_S);
      assert.notEqual(await digestOfFile(pathOf(blob)), blob.blobDigest, at);
    }
    for (const blob of stored) {
      const verdict = await scrubBlob(blob, house.services, { signal });
      assert.equal(verdict, flipped.has(blob) ? 'wrong-digest' : 'right', `${at}: ${pathOf(blob)}`);
    }
    for (const { diffId } of flipped) assert.equal(await blobs.size(diffId), undefined, `${at}: it is served still`);
    assert.equal((await readdir(quarantine)).length, flipped.size, at);

    await rebuildLayers(house.services, 'test', signal);
    for (const blob of flipped) {
      assert.equal(await digestOfFile(pathOf(blob)), blob.blobDigest, `${at}: it is not as it was`);
      assert.ok(await isMarkedVerified(pathOf(blob)), at);
    }
    assert.deepEqual(await store.health.lost(), [], at);
    await rm(quarantine, { recursive: true });
    flips += flipped.size;
  }
  const cache = await house.find(id);
  const reasons = new Set(cache?.events.map(({ reason }) => reason));
  assert.deepEqual([cache?.status, reasons.has('Damaged'), reasons.has('Repaired')], ['Ready', true, true]);
  t.diagnostic(`seed ${seed}: ${flips} bits flipped in ${stored.length} blobs, all found, put aside and healed`);
});

/** A Ready cache of layers of all sizes, the last of which depends on the one below. */
async function buildCache(house: BuildHouse): Promise<string> {
  const layers = FILE_BYTES.map((bytes, index) =>
    tarOf([directory('d'), file(`d/${index}`, randomBytes(bytes).toString('latin1'))]),
  );
  layers.push(tarOf([hardLink('link', `d/${FILE_BYTES.length - 1}`)]));
  house.registry.putImage('app', buildImage({ layers }), '1');
  const worker = house.startWorker();
  const { id } = await house.create([`${house.registry.host}/app:1`]);
  const cache = await house.ended(id);
  assert.equal(cache?.status, 'Ready', JSON.stringify(cache?.events));
  await worker.stop();
  await checkManifests(house.services, { signal, isThorough: true });
  return id;
}

async function flip(path: string, bit: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, Math.floor(bit / 8));
    byte[0] = (byte[0] ?? 0) ^ (1 << (bit % 8));
    await handle.write(byte, 0, 1, Math.floor(bit / 8));
  } finally {
    await handle.close();
  }
}
