import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReadMemory } from './read-memory.ts';

/** A memory over a counter of commits and a list of what was read. */
/** With its key, and what remembering takes. */
const ENTRY_CHARS = 10 + 1 + 256;

function open(maxChars = 10 * ENTRY_CHARS) {
  const state = { commits: 1, reads: 0 };
  const memory = createReadMemory(() => state.commits, maxChars);
  const read = async () => ({ json: `${++state.reads}`.padStart(10) });
  return { state, ask: async (key: string) => Number((await memory(key, read)).json), memory, read };
}

test('what was read is given again until anything is committed', async () => {
  const { state, ask } = open();
  assert.deepEqual([await ask('a'), await ask('b'), await ask('a')], [1, 2, 1]);
  state.commits++;
  assert.deepEqual([await ask('a'), await ask('a'), await ask('b')], [3, 3, 4]);
});

test('what was read while something was committed is not given to whoever asks afterwards', async () => {
  const { state, ask, memory, read } = open();
  const slow = memory('a', async () => {
    const old = await read();
    state.commits++;
    assert.equal(await ask('b'), 2);
    return old;
  });
  assert.equal(Number((await slow).json), 1);
  assert.deepEqual([await ask('a'), await ask('b')], [3, 2]);
});

test('when there is no more room what is there stays, until much more was asked for in vain', async () => {
  const { state, ask } = open(3 * ENTRY_CHARS);
  for (const key of 'abcd') await ask(key);
  assert.deepEqual([await ask('a'), await ask('d'), await ask('c')], [1, 5, 3]);
  // Four misses for each of three.
  for (let miss = 3; miss <= 12; miss++) await ask('e');
  assert.deepEqual([await ask('a'), state.reads], [1, 15]);
  assert.deepEqual([await ask('e'), await ask('e'), await ask('a')], [16, 16, 17]);
});

test('one that is larger than all of it is not kept, and drives nothing out', async () => {
  const { ask, memory } = open(2 * ENTRY_CHARS);
  await ask('a');
  for (let time = 0; time < 20; time++) await memory('b', async () => ({ json: ' '.repeat(3 * ENTRY_CHARS) }));
  assert.equal(await ask('a'), 1);
  const small = open(ENTRY_CHARS - 1);
  assert.deepEqual([await small.ask('a'), await small.ask('a')], [1, 2]);
});

test('two who ask at once are counted once', async () => {
  const { state, ask } = open(2 * ENTRY_CHARS);
  await Promise.all([ask('a'), ask('a')]);
  await ask('b');
  const { reads } = state;
  await ask('a');
  await ask('b');
  assert.equal(state.reads, reads);
});

test('empty answers to ever new questions are bounded too', async () => {
  const memory = createReadMemory(() => 1, 10 * ENTRY_CHARS);
  let reads = 0;
  const ask = (key: string) =>
    memory(key, async () => {
      reads++;
      return { json: '' };
    });
  for (let number = 0; number < 100; number++) await ask(`${number}`);
  let found = 0;
  for (let number = 0; number < 100; number++) {
    const before = reads;
    await ask(`${number}`);
    if (reads === before) found++;
  }
  assert.ok(found <= 2 * 11, `${found}`);
});
