import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { PIECE_BYTES } from '../lib/piece-digest.ts';
import { createPartReaders } from './blob-routes-parts.ts';

const content = randomBytes(3 * PIECE_BYTES + 12_345);
let home: string;
let path: string;
before(async () => {
  home = await mkdtemp(join(tmpdir(), 'larder-parts-'));
  path = join(home, 'blob');
  await writeFile(path, content);
});
after(() => rm(home, { recursive: true }));

async function readAll(
  openParts: ReturnType<typeof createPartReaders>,
  { from, end, keepsUp }: { from: number; end: number; keepsUp: (part: number) => boolean },
): Promise<Buffer> {
  const file = await open(path);
  const parts = openParts(file, path);
  const read: Uint8Array[] = [];
  try {
    for (let at = from; at < end; ) {
      const part = await parts.read(at, end, keepsUp(read.length));
      assert.ok(part.length > 0);
      // A part is valid until the next one.
      read.push(Buffer.from(part));
      at += part.length;
    }
  } finally {
    await parts.close();
    await file.close();
  }
  return Buffer.concat(read);
}

test('any range is read as it is, at any pace, past the page cache and through it', async () => {
  const openParts = createPartReaders();
  const place = fc.integer({ min: 0, max: content.length });
  await fc.assert(
    fc.asyncProperty(place, place, fc.infiniteStream(fc.boolean()), fc.boolean(), async (one, other, paces, isNew) => {
      const [from, end] = [Math.min(one, other), Math.max(one, other)];
      const keepsUp = () => paces.next().value;
      const read = await readAll(isNew ? createPartReaders() : openParts, { from, end, keepsUp });
      assert.ok(read.equals(content.subarray(from, end)));
    }),
    { numRuns: 60 },
  );
});

test('a file that another one replaced goes on being read', async () => {
  const file = await open(path);
  const parts = createPartReaders()(file, path);
  await writeFile(`${path}.new`, Buffer.alloc(content.length));
  await rename(`${path}.new`, path);
  try {
    const part = await parts.read(PIECE_BYTES, 2 * PIECE_BYTES, true);
    assert.ok(Buffer.from(part).equals(content.subarray(PIECE_BYTES, PIECE_BYTES + part.length)));
  } finally {
    await parts.close();
    await file.close();
    await writeFile(path, content);
  }
});

test('more readers than there is memory for: the others read through the page cache', async () => {
  const openParts = createPartReaders();
  const readers = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const file = await open(path);
      return { file, parts: openParts(file, `${index}`) };
    }),
  );
  for (const { parts } of readers) {
    const part = Buffer.from(await parts.read(0, content.length, true));
    assert.ok(part.equals(content.subarray(0, part.length)));
  }
  for (const { parts, file } of readers) {
    await parts.close();
    await file.close();
  }
});
