import assert from 'node:assert/strict';
import { createHash, hash } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createHashThread } from './hash-thread.ts';
import { HASH_BEHIND_BYTES, hashHere, MEMORY_BYTES } from './hashing.ts';

for (const [name, hashing] of [
  ['on the caller’s thread', hashHere],
  ['on a thread of its own', createHashThread((bytes) => Buffer.from(new SharedArrayBuffer(bytes)))],
] as const) {
  describe(`hashing ${name}`, () => {
    test('a stream whose memory is used again as soon as that is allowed', async () => {
      const sizes = fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 30 });
      const property = fc.asyncProperty(sizes, fc.boolean(), async (lengths, isShared) => {
        const ringBytes = HASH_BEHIND_BYTES + 800_000;
        const ring = Buffer.from(isShared ? new SharedArrayBuffer(ringBytes) : new ArrayBuffer(ringBytes));
        const expected = createHash('sha256');
        const stream = hashing.stream();
        let position = 0;
        for (const [index, length] of lengths.entries()) {
          if (position + length > ring.length) position = 0;
          const bytes = ring.subarray(position, position + length).fill(index + 1);
          position += length;
          expected.update(bytes);
          await stream.update(bytes);
        }
        assert.equal(await stream.digest(), expected.digest('hex'));
        await stream.close();
      });
      await fc.assert(property, { numRuns: 40 });
    });

    test('pieces, whole and parts of one, several at once', async () => {
      const memories = [1, 2, 3, 4].map((value) => hashing.takeMemory().fill(value));
      const pieces = [...memories, memories[0]?.subarray(17, 4000) ?? memories[0], Buffer.from('not shared')];
      const digests = await Promise.all(pieces.map((bytes) => hashing.digestPiece(bytes ?? Buffer.alloc(0))));
      assert.deepEqual(
        digests.map((digest) => Buffer.from(digest).toString('hex')),
        pieces.map((bytes) => hash('sha256', bytes ?? Buffer.alloc(0), 'hex')),
      );
      for (const memory of memories) hashing.giveMemory(memory);
      assert.equal(hashing.takeMemory().length, MEMORY_BYTES);
    });

    test('a stream that is given up leaves the others as they are', async () => {
      const [left, kept] = [hashing.stream(), hashing.stream()];
      const bytes = Buffer.from(new SharedArrayBuffer(1000)).fill('x');
      await Promise.all([left.update(bytes), kept.update(bytes)]);
      await left.close();
      await left.close();
      await kept.update(bytes);
      assert.equal(await kept.digest(), hash('sha256', 'x'.repeat(2000), 'hex'));
      assert.equal(await hashing.stream().digest(), hash('sha256', '', 'hex'));
    });
  });
}
