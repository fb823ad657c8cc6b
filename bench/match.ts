/**
 * Matching images to caches, in memory: `node --expose-gc bench/match.ts [caches …]`, 100,000 and 1,000,000 by default. Each
 * cache has 20 images; prints the time to build, the memory, the time of one change, and p50, p99 of a query of 20 references.
 */
import { createMatchIndex, type MatchEntry, type MatchIndex, type MatchQuery } from '../src/caches/index.ts';
import { randomNumbers, zipfNumbers } from '../test/support/random.ts';

const IMAGES = 20;
const REPOSITORIES = 10_000;
const TAGS = 5;
const QUERIES = 2_000;
const SLICE = 256;
const START_MS = Date.UTC(2026, 0, 1);

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [100_000, 1_000_000];
for (const size of sizes) run(size);

function run(count: number): void {
  const random = randomNumbers(1);
  const zipf = zipfNumbers(REPOSITORIES, random);
  // The most popular tag of the most popular repositories is in most caches; each next tag is half as popular.
  const image = () => `registry.test/team/app-${zipf()}:1.${Math.min(TAGS - 1, Math.floor(-Math.log2(1 - random())))}`;
  const images = () => {
    const distinct = new Set<string>();
    while (distinct.size < IMAGES) distinct.add(image());
    return [...distinct];
  };
  const entry = (number: number): MatchEntry => ({
    id: `imc-${(number * 2_654_435_761).toString(36).padStart(20, '0')}`,
    // Two images that each have half of the caches, and none both.
    images: [...images().slice(1), number % 2 === 0 ? 'half/a:1' : 'half/b:1'],
    sizeGib: 20 + 10 * Math.floor(random() * random() * 4),
    createdAtMs: START_MS + number * 1_000 + Math.floor(random() * 60_000),
  });

  console.log(`\n${count.toLocaleString('en')} caches × ${IMAGES} images`);
  const index = createMatchIndex();
  const before = memory();
  const some: MatchEntry[] = [];
  let [buildMs, longestMs] = [0, 0];
  for (let first = 0; first < count; first += SLICE) {
    const slice = Array.from({ length: Math.min(SLICE, count - first) }, (_, offset) => entry(first + offset));
    some.push(...slice.slice(0, Math.ceil((SLICE * QUERIES) / count)));
    const tookMs = measure(() => index.putAll(slice));
    buildMs += tookMs;
    longestMs = Math.max(longestMs, tookMs);
  }
  console.log(`build ${buildMs.toFixed(0)} ms, longest slice of ${SLICE}: ${longestMs.toFixed(1)} ms`);
  console.log(`memory ${((memory() - before) / count).toFixed(0)} bytes a cache, texts included`);

  const changes = Array.from({ length: QUERIES }, (_, number) => entry(count + number));
  report(
    'add',
    changes.map((one) => measure(() => index.put(one))),
  );
  report(
    'remove',
    changes.map((one) => measure(() => index.remove(one.id))),
  );
  const scattered = changes.map((one) => ({ ...one, createdAtMs: START_MS + random() * count * 1_000 }));
  report(
    'add, anywhere',
    scattered.map((one) => measure(() => index.put(one))),
  );
  for (const one of scattered) index.remove(one.id);

  const asked = (make: (number: number) => Partial<MatchQuery>) =>
    Array.from({ length: QUERIES }, (_, number) => ({ images: images(), limit: 20, ...make(number) }));
  const held = (number: number) => some[number % some.length]?.images ?? [];
  queries(
    index,
    'images of one cache',
    asked((number) => ({ images: held(number) })),
  );
  queries(
    index,
    'images by popularity',
    asked(() => ({})),
  );
  queries(
    index,
    'the most popular',
    asked((number) => ({ images: popular(number % 20, IMAGES) })),
  );
  queries(
    index,
    'one popular',
    asked((number) => ({ images: popular(number % 20, 1) })),
  );
  queries(
    index,
    'full match, images of one',
    asked((number) => ({ images: held(number), fullMatch: true })),
  );
  queries(
    index,
    'half of one, half match',
    asked((n) => ({ images: [...held(n).slice(10), ...images().slice(10)], matchCount: 10 })),
  );
  queries(
    index,
    'at least 5',
    asked(() => ({ matchCount: 5 })),
  );
  queries(
    index,
    '100 images',
    asked(() => ({ images: Array.from({ length: 5 }, images).flat() })),
  );
  const halves = ['half/a:1', 'half/b:1'];
  queries(
    index,
    'two halves',
    asked(() => ({ images: halves })),
  );
  queries(
    index,
    'two halves, full',
    asked(() => ({ images: halves, fullMatch: true })),
  );
  const deep = Array.from({ length: 20 }).reduce<MatchQuery>(
    (query) => {
      const { next } = index.find(query);
      return next === undefined ? query : { ...query, after: next };
    },
    { images: images(), limit: 100 },
  );
  queries(
    index,
    'page 20 of 100',
    asked(() => deep),
  );
}

function popular(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `registry.test/team/app-${from + number}:1.0`);
}

function queries(index: MatchIndex, name: string, all: readonly MatchQuery[]): void {
  for (const query of all.slice(0, 100)) index.find(query);
  report(
    name,
    all.map((query) => measure(() => index.find(query))),
  );
}

function report(name: string, timesMs: readonly number[]): void {
  const sorted = timesMs.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(3).padStart(7);
  console.log(`${name.padEnd(28)} p50 ${at(0.5)} ms  p99 ${at(0.99)} ms  longest ${at(1 - 1e-9)} ms`);
}

function measure(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function memory(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
