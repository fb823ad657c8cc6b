import assert from 'node:assert/strict';
import { closeSync, readSync, writeSync } from 'node:fs';
import { test } from 'node:test';
import { makePipe } from './pipe.ts';

test('a pipe holds as much as it was made for', async () => {
  const bytes = Buffer.alloc(1 << 20, 'pipe');
  const { readEnd, writeEnd } = await makePipe(bytes.length);
  try {
    // A smaller pipe would block here for ever.
    assert.equal(writeSync(writeEnd, bytes), bytes.length);
    const read = Buffer.alloc(bytes.length);
    assert.equal(readSync(readEnd, read), bytes.length);
    assert.deepEqual(read, bytes);
  } finally {
    closeSync(readEnd);
    closeSync(writeEnd);
  }
});
