import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDirectWriter, directMemory } from './direct-write.ts';

const MIB = 1 << 20;

for (const parent of [tmpdir(), '/dev/shm']) {
  test(`aligned bytes and a tail that is not are all there, in ${parent}`, async (context) => {
    const folder = await mkdtemp(join(parent, 'larder-direct-'));
    context.after(() => rm(folder, { recursive: true }));
    const path = join(folder, 'file');
    await using file = await open(path, 'w+');
    const writer = createDirectWriter(path, file);
    const memory = randomFillSync(await directMemory(3 * MIB));
    await writer.write(memory.subarray(0, MIB), 0);
    await writer.write(memory.subarray(MIB, 2 * MIB), MIB);
    await writer.write(memory.subarray(2 * MIB, 2 * MIB + 12_345), 2 * MIB);
    // Memory that is not aligned.
    await writer.write(memory.subarray(1, 1 + 4096), 3 * MIB);
    await writer.close();
    const there = await readFile(path);
    assert.equal(there.length, 3 * MIB + 4096);
    assert.ok(there.subarray(0, 2 * MIB + 12_345).equals(memory.subarray(0, 2 * MIB + 12_345)));
    assert.ok(there.subarray(3 * MIB).equals(memory.subarray(1, 1 + 4096)));
  });
}
