/**
 * A flipped bit, wherever it is in a blob, changes the digest that blobs are checked against: by the scrub, by an attach to a
 * file without its mark, and by the copy of a node. What happens then is for test/e2e/scrub.test.ts.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { digestOfFile, isMarkedVerified, markVerified, openDiskBlobs } from '../../src/blobs/index.ts';
import { convertLayer } from '../../src/layers/index.ts';
import { pieces } from '../../src/layers/testing/memory.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { randomNumbers } from '../support/random.ts';
import { sha256 } from '../support/registry-image.ts';
import { directory, file, tarOf } from './support/corpus-tar.ts';
import { effortMs, faultSeed } from './support/effort.ts';

const BLOBS = 20;
const SHORT_MS = 2_000;

test('every flipped bit is found', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'larder-bit-rot-'));
  try {
    const seed = faultSeed();
    const random = randomNumbers(seed);
    const store = await openDiskBlobs({ directory: folder });
    const blobs: { path: string; digest: Digest; bytes: number }[] = [];
    for (let index = 0; index < BLOBS; index++) {
      const tar = tarOf([directory('d'), file('d/f', randomBytes(Math.floor(random() * 400_000)).toString('latin1'))]);
      const ingest = await store.begin();
      const diffId = sha256(tar);
      const options = { compression: 'none', expectedDigest: diffId, expectedDiffId: diffId, sink: ingest } as const;
      const { blobBytes, blobDigest } = await convertLayer(pieces(tar, 65_536), options);
      await ingest.commit(diffId, blobBytes);
      const path = store.path(diffId);
      assert.equal(await digestOfFile(path), blobDigest);
      blobs.push({ path, digest: blobDigest, bytes: (await stat(path)).size });
    }
    let flips = 0;
    const endMs = performance.now() + effortMs(SHORT_MS, 1);
    while (performance.now() < endMs) {
      const blob = blobs[flips % BLOBS];
      assert.ok(blob);
      const bit = Math.floor(random() * blob.bytes * 8);
      await flip(blob.path, bit);
      assert.notEqual(
        await digestOfFile(blob.path),
        blob.digest,
        `seed ${seed}: bit ${bit} of a blob of ${blob.bytes} bytes`,
      );
      assert.equal(await isMarkedVerified(blob.path), false, 'a write takes the mark away');
      await flip(blob.path, bit);
      assert.equal(await digestOfFile(blob.path), blob.digest);
      await markVerified(blob.path);
      flips++;
    }
    t.diagnostic(`seed ${seed}: ${flips} flips in ${BLOBS} blobs, all found`);
    assert.ok(flips > BLOBS, `only ${flips} flips`);
  } finally {
    await rm(folder, { recursive: true });
  }
});

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
