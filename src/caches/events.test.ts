import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type CacheEvent, type CacheEventInput, recordEvent, recordEvents } from './events.ts';
import { MAX_EVENTS } from './limits.ts';

const started: CacheEventInput = { type: 'Normal', reason: 'Started', message: 'Checked.' };

test('the name carries the first time in nanoseconds, as the API reference shows it', () => {
  const [event] = recordEvent([], started, 'imagecache-test', Date.parse('2021-02-09T02:24:18.278Z'));
  assert.match(event?.name ?? '', /^imagecache-test\.1661f31f[0-9a-f]{8}$/);
});

test('the same again counts up, keeps its first time and name, and is the newest', () => {
  const first = recordEvent([], started, 'c', 1000);
  const other = recordEvent(first, { ...started, object: 'nginx' }, 'c', 2000);
  const events = recordEvent(other, started, 'c', 3000);
  assert.equal(events.length, 2);
  assert.deepEqual(events[1], {
    ...started,
    name: first[0]?.name,
    count: 2,
    firstTimestampMs: 1000,
    lastTimestampMs: 3000,
  });
});

test('a clock set back never moves the last time back', () => {
  const events = recordEvent(recordEvent([], started, 'c', 5000), started, 'c', 10);
  assert.equal(events[0]?.lastTimestampMs, 5000);
});

test('any occurrences: capped, names unique, counts add up, the newest is last', () => {
  const input = fc.record({
    type: fc.constantFrom('Normal' as const, 'Warning' as const),
    reason: fc.constantFrom('Pulling' as const, 'Pulled' as const),
    message: fc.integer({ min: 0, max: 40 }).map(String),
  });
  const occurrences = fc.array(fc.tuple(input, fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(occurrences, (list) => {
      let events: readonly CacheEvent[] = [];
      for (const [event, nowMs] of list) events = recordEvent(events, event, 'c', nowMs);
      assert.ok(events.length <= MAX_EVENTS);
      assert.equal(new Set(events.map((event) => event.name)).size, events.length);
      assert.equal(events.at(-1)?.message, list.at(-1)?.[0].message);
      const total = events.reduce((sum, event) => sum + event.count, 0);
      assert.ok(total <= list.length);
      if (new Set(list.map(([event]) => JSON.stringify(event))).size <= MAX_EVENTS) assert.equal(total, list.length);
    }),
  );
});

test('beyond the cap the oldest go', () => {
  const inputs = Array.from({ length: MAX_EVENTS + 5 }, (_, index) => ({ ...started, message: String(index) }));
  const events = recordEvents([], inputs, 'c', 7);
  assert.equal(events.length, MAX_EVENTS);
  assert.equal(events[0]?.message, '5');
});
