import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createByteBar } from './byte-bar.ts';

const MB = 1e6;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

function ioOf(isTTY: boolean) {
  const stderr = Object.assign(new PassThrough(), { isTTY, columns: 100 });
  const io = { stdin: Readable.from([]), stdout: new PassThrough(), stderr, env: {}, signal: AbortSignal.any([]) };
  const shown = () => text(stderr.end());
  return { io, shown };
}

test('on a terminal a bar says how far it is, in one line, and gives the cursor back', async () => {
  for (const [done, last] of [
    [1, `reading ${'█'.repeat(10)}${'░'.repeat(30)} 25%  1.0 MB of 4.0 MB`],
    [4, `reading ${'█'.repeat(40)} 100%  4.0 MB of 4.0 MB`],
    // What was made since the total was taken is read as well.
    [5, `reading ${'█'.repeat(40)} 100%  4.0 MB of 4.0 MB`],
  ] as const) {
    const { io, shown } = ioOf(true);
    const bar = createByteBar(io, 'reading');
    bar.show(0, 4 * MB);
    bar.show(done * MB, 4 * MB);
    bar.stop();
    const bytes = await shown();
    assert.ok(bytes.includes(HIDE_CURSOR) && bytes.lastIndexOf(SHOW_CURSOR) > bytes.lastIndexOf(HIDE_CURSOR));
    assert.equal(stripVTControlCharacters(bytes), `reading ${'░'.repeat(40)} 0%  0 B of 4.0 MB${last}\n`);
  }
});

test('a bar that never began leaves nothing', async () => {
  const { io, shown } = ioOf(true);
  createByteBar(io, 'reading').stop();
  assert.equal(await shown(), '');
});

test('elsewhere there is a line every few seconds, without control characters', async (t) => {
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  const { io, shown } = ioOf(false);
  const bar = createByteBar(io, 'reading');
  for (const [ms, done] of [
    [100, 1],
    [5_000, 2],
    [9_999, 3],
    [10_000, 4],
  ] as const) {
    nowMs = ms;
    bar.show(done * MB, 4 * MB);
  }
  bar.stop();
  assert.equal(await shown(), 'reading 2.0 MB of 4.0 MB\nreading 4.0 MB of 4.0 MB\n');
});
