import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PIECE_BYTES } from '../lib/piece-digest.ts';
import { openDirect } from './direct-read.ts';

for (const parent of [tmpdir(), '/dev/shm']) {
  test(`pieces in any order, and what lies behind the end, in ${parent}`, async (context) => {
    const folder = await mkdtemp(join(parent, 'larder-direct-'));
    context.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'file');
    const content = randomBytes(4 * PIECE_BYTES + 12_345);
    await writeFile(path, content);
    const file = await openDirect(path);
    const check = async (index: number) => {
      const piece = await file.readPiece(index);
      assert.ok(content.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES).equals(piece), `piece ${index}`);
    };
    for (const index of [0, 1, 2, 3, 4, 5, 0, 0, 3, 4, 2, 1, 9, 2, 3]) await check(index);
    await file.handle.close();
  });
}

test('a piece is valid until the next one is asked for', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'larder-direct-'));
  context.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'file');
  const content = randomBytes(3 * PIECE_BYTES);
  await writeFile(path, content);
  const file = await openDirect(path);
  const first = await file.readPiece(0);
  // The one behind it has been read by then.
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(content.subarray(0, PIECE_BYTES).equals(first));
  await truncate(path, PIECE_BYTES);
  assert.equal((await file.readPiece(2)).length, 0, 'not what lay there once');
  await file.handle.close();
});
