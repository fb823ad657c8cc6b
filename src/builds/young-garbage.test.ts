import assert from 'node:assert/strict';
import { constants, PerformanceObserver } from 'node:perf_hooks';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { collectingGarbage } from './young-garbage.ts';

const CHUNK_BYTES = 256 << 10;

test('what goes through stays as it is, and V8 marks its whole heap at most now and then', async () => {
  const count = 1024;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let index = 0; index < count; index++) yield Buffer.allocUnsafeSlow(CHUNK_BYTES).fill(index & 0xff);
  }
  const fullCollections = countFullCollections();
  let index = 0;
  for await (const chunk of collectingGarbage(source())) {
    assert.deepEqual([chunk[0], chunk.length], [index & 0xff, CHUNK_BYTES]);
    index++;
  }
  assert.equal(index, count);
  // By itself V8 does it every few dozen megabytes.
  const full = await fullCollections();
  assert.ok(full <= 2, `${full} full collections`);
});

/** Collections of the whole heap from now until the answer is asked for. */
function countFullCollections(): () => Promise<number> {
  let count = 0;
  const { NODE_PERFORMANCE_GC_INCREMENTAL, NODE_PERFORMANCE_GC_MAJOR } = constants;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const detail = 'detail' in entry ? entry.detail : undefined;
      const kind = typeof detail === 'object' && detail !== null && 'kind' in detail ? detail.kind : undefined;
      if (kind === NODE_PERFORMANCE_GC_MAJOR || kind === NODE_PERFORMANCE_GC_INCREMENTAL) count++;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  return async () => {
    await setTimeout(20);
    observer.disconnect();
    return count;
  };
}

test('leaving early closes the source', async () => {
  let isClosed = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.alloc(1);
    } finally {
      isClosed = true;
    }
  }
  for await (const _ of collectingGarbage(source())) break;
  assert.ok(isClosed);
});
