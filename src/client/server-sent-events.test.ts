import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventData, MAX_EVENT_CHARS } from './server-sent-events.ts';

async function* inChunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const collect = (items: AsyncIterable<unknown>) => Readable.from(items).toArray();

test('data lines are joined, comments and other fields left out, a cut-off event dropped', async () => {
  const text = ': hello\n\ndata: a\ndata:b\nid: 7\n\nevent: gone\ndata\n\nretry: 5\n\ndatax: no\n\ndata: cut off';
  assert.deepEqual(await collect(eventData(inChunks(text, 1000))), ['a\nb', '']);
});

test('property: any text comes through, whatever the line ends and the chunks', async () => {
  const line = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n\ufeff]/g, ''));
  const events = fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(
      events,
      fc.constantFrom('\n', '\r\n', '\r'),
      fc.integer({ min: 1, max: 9 }),
      async (lines, end, size) => {
        const text = lines.map((event) => event.map((data) => `data: ${data}${end}`).join('') + end).join('');
        const expected = lines.map((event) => event.join('\n'));
        // The last CR might be half of a CR LF, so only the stream's end completes that event.
        assert.deepEqual(await collect(eventData(inChunks(text, size))), expected);
      },
    ),
  );
});

test('an event without an end is cut off', async () => {
  const endless = inChunks(`data: ${'x'.repeat(MAX_EVENT_CHARS)}`, 1 << 20);
  await assert.rejects(collect(eventData(endless)), { code: 'client.event-too-long' });
  const manyLines = inChunks(`data: ${'x'.repeat(1 << 20)}\n`.repeat(5), 1 << 20);
  await assert.rejects(collect(eventData(manyLines)), { code: 'client.event-too-long' });
});
