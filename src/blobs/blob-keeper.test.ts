import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { digestOfHex } from '../lib/digest.ts';
import { PIECE_BYTES } from '../lib/piece-digest.ts';
import { digestOfFile, isMarkedVerified, openBlobKeeper, openDiskBlobs } from './index.ts';

const KEY = digestOfHex('ab'.repeat(32));
const signal = new AbortController().signal;

async function folder(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'larder-keeper-'));
  t.after(() => rm(directory, { recursive: true }));
  const blobs = await openDiskBlobs({ directory });
  async function put(bytes: Uint8Array): Promise<void> {
    const ingest = await blobs.begin();
    await ingest.writev([bytes], 0);
    await ingest.commit(KEY, bytes.length);
  }
  return { directory, blobs, put, keeper: openBlobKeeper({ directory }) };
}

for (const size of [0, 1, 4096, 5000, PIECE_BYTES, PIECE_BYTES + 4096, 2 * PIECE_BYTES + 1]) {
  test(`a blob of ${size} bytes has the digest of its file, and another once a bit is another`, async (t) => {
    const { blobs, keeper, put } = await folder(t);
    await put(randomBytes(size));
    let seen = 0;
    const read = await keeper.read(KEY, {
      signal,
      onPiece(bytes) {
        seen += bytes;
      },
    });
    assert.deepEqual([read.blobDigest, read.bytes, seen], [await digestOfFile(blobs.path(KEY)), size, size]);
    if (size === 0) return;
    const file = await open(blobs.path(KEY), 'r+');
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    buffer[0] = (buffer[0] ?? 0) ^ 0x10;
    await file.write(buffer, 0, 1, size - 1);
    await file.close();
    assert.notEqual((await keeper.read(KEY, { signal })).blobDigest, read.blobDigest);
  });
}

test('what is put aside is out of sight, unless another file has taken its place', async (t) => {
  const { directory, blobs, keeper, put } = await folder(t);
  await put(Buffer.from('wrong'));
  const { fileId } = await keeper.read(KEY, { signal });
  await writeFile(`${blobs.path(KEY)}.new`, 'right');
  const other = `${(await stat(`${blobs.path(KEY)}.new`)).ino}`;
  assert.equal(await keeper.quarantine(KEY, { fileId: other, nowMs: 0 }), false);
  assert.equal(await keeper.quarantine(KEY, { fileId, nowMs: 0 }), true);
  assert.equal(await blobs.size(KEY), undefined);
  await assert.rejects(keeper.read(KEY, { signal }), { code: 'blobs.not-found' });
  assert.deepEqual(await readdir(join(directory, 'quarantine')), [`19700101T000000000Z-${'ab'.repeat(32)}.erofs`]);
  assert.equal(await keeper.quarantine(KEY, { fileId, nowMs: 1 }), true, 'there is nothing left to put aside');

  assert.equal(await keeper.pruneQuarantine(0), 0);
  assert.equal(await keeper.pruneQuarantine(Date.now() + 60_000), 1);
});

test('a snapshot manifest is put aside too', async (t) => {
  const { directory, blobs, keeper } = await folder(t);
  const id = `s-${'0'.repeat(20)}`;
  await blobs.putSnapshot(id, '{}');
  await keeper.quarantineSnapshot(id, 0);
  await keeper.quarantineSnapshot(id, 1);
  assert.equal(await blobs.getSnapshot(id), undefined);
  assert.equal((await readdir(join(directory, 'quarantine'))).length, 1);
});

test('a blob without the mark gets it once it was found right', async (t) => {
  const { blobs, keeper, put } = await folder(t);
  await put(Buffer.from('bytes'));
  const file = await open(blobs.path(KEY), 'r+');
  await file.utimes(1, 1);
  await file.close();
  await keeper.confirm(KEY);
  assert.ok(await isMarkedVerified(blobs.path(KEY)));
});
