import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashHere } from '../lib/hashing.ts';
import { PIECE_BYTES, PieceDigest } from '../lib/piece-digest.ts';
import { BlobDigest } from './blob-digest.ts';
import { treeDigest } from './testing/memory.ts';

test('the tree digest of a file whose bytes differ in every piece', () => {
  const file = Buffer.alloc(2 * PIECE_BYTES + 4096);
  file.writeUInt32LE(1, 0);
  file.writeUInt32LE(2, PIECE_BYTES);
  file.writeUInt32LE(3, 2 * PIECE_BYTES);
  const pieces = new PieceDigest();
  for (const index of [2, 0, 1]) pieces.setPiece(index, file.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES));
  assert.equal(pieces.digest(), treeDigest(file));
});

test('parts of any size in any order, with gaps, digest as the file they make', async () => {
  const parts = fc.array(
    fc.record({ gap: fc.nat(PIECE_BYTES), length: fc.nat(PIECE_BYTES + 5000), wide: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 5,
    },
  );
  const property = fc.asyncProperty(parts, fc.nat(9999), fc.func(fc.nat()), async (drawn, tail, orderOf) => {
    let end = 0;
    const placed = drawn.map(({ gap, length, wide }) => {
      const position = wide ? Math.ceil(end / PIECE_BYTES) * PIECE_BYTES : end + gap;
      const bytes = Buffer.alloc(wide ? PIECE_BYTES : length, `${position}`);
      end = position + bytes.length;
      return { position, bytes };
    });
    const file = Buffer.alloc(end + tail);
    for (const { position, bytes } of placed) bytes.copy(file, position);
    const digest = new BlobDigest(hashHere);
    const shuffled = placed.toSorted((a, b) => orderOf(a.position) - orderOf(b.position));
    await Promise.all(shuffled.map(({ position, bytes }) => digest.add(position, bytes)));
    assert.equal(digest.finish(file.length), treeDigest(file));
  });
  await fc.assert(property, { numRuns: 50 });
});
