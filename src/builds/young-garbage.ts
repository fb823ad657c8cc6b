import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Decompressor } from '../layers/index.ts';
import { tuneMalloc } from '../lib/malloc.ts';

/** Buffers that have gone by when they are collected: well below the 64 MiB at which V8 begins to do it its own way. */
const INTERVAL_BYTES = 16 << 20;
/** What a layer leaves beside the bytes that go through: the state and the first buffers of its inflater, and of its download. */
const LAYER_BYTES = 1 << 20;
/** V8's own choice of how much its heap may grow before all of it is collected. */
const USUAL_GROWTH = 0;
/**
 * The same beside a large tree, in percent. Left to itself V8 lets garbage pile up to several times what is alive: 302 MiB at the
 * most for a layer of 500,000 links, 247 so (test/faults/hostile-images.test.ts). At all times it would cost an ordinary build a
 * fifth of its CPU time.
 */
const LARGE_TREE_GROWTH = 25;

/**
 * Every read of undici's and every piece of node:zlib's is a new buffer outside V8's heap, dead a moment later. V8 answers
 * their growth with full collections, each of which marks the whole heap for buffers that its young generation holds: 35 of
 * them in a build of 1.3 GB, and a quarter of its CPU time (bench/build.ts). Collecting the young generation
 * now and then frees the same buffers, in about a millisecond. All layers count together: a hundred small ones leave as much
 * as a large one.
 */
export async function* collectingGarbage(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  countGarbage(LAYER_BYTES);
  for await (const chunk of source) {
    yield chunk;
    countGarbage(chunk.length);
  }
}

let garbageBytes = 0;

function countGarbage(bytes: number): void {
  garbageBytes += bytes;
  if (garbageBytes < INTERVAL_BYTES) return;
  garbageBytes = 0;
  collect({ type: 'minor' });
}

/**
 * While a large tree is made V8 collects more often, and once at the start, for it decides only then how far its heap may grow.
 * Once more when the returned function is called: it would keep what it had of the tree until its heap grew by as much again,
 * for the next one. One at a time.
 */
export function heapForLargeTree(): () => void {
  setHeapGrowth(LARGE_TREE_GROWTH);
  collectAll();
  return () => {
    setHeapGrowth(USUAL_GROWTH);
    collectAll();
  };
}

function collectAll(): void {
  collect({ type: 'major' });
  trimHeap();
}

function setHeapGrowth(percent: number): void {
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/** The same for what an inflater gives. */
export function collectingDecompressor(decompress: Decompressor): Decompressor {
  return (compression, source, options) => collectingGarbage(decompress(compression, source, options));
}

const trimHeap = tuneMalloc();

/** V8's own function, without starting the program with a flag for it. */
const collect: (options: { type: 'minor' | 'major' }) => void = exposeCollector();

function exposeCollector(): typeof collect {
  // The young generation stays as small as it is by now: V8 lets it grow to 64 MiB and more, and what a build makes either
  // dies at once or stays to its end. Peak memory of a build of 1.3 GB: 290 → 230 MiB (bench/build.ts).
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}
