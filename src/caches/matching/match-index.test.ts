import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { slowMatch } from '../../../test/support/slow-match.ts';
import { createMatchIndex } from './match-index.ts';
import type { MatchEntry, MatchPosition, MatchQuery } from './match-types.ts';

const digests = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`);
const image = fc
  .tuple(
    fc.constantFrom('nginx', 'docker.io/library/nginx', 'redis', 'reg.test:5000/team/app', 'team/app', 'busybox'),
    fc.constantFrom('', ':1', ':2', ':latest'),
    fc.constantFrom('', '', '', `@${digests[0]}`, `@${digests[1]}`),
  )
  .map((parts) => parts.join(''));
const images = fc.array(fc.oneof({ weight: 30, arbitrary: image }, fc.constantFrom('NOT a reference', ':')), {
  minLength: 1,
  maxLength: 6,
});
const entry = fc.record({
  id: fc.integer({ min: 0, max: 60 }).map((number) => `imc-${number}`),
  images,
  sizeGib: fc.constantFrom(20, 20, 20, 30, 40),
  createdAtMs: fc.integer({ min: 0, max: 8 }),
});
const position = fc.record({
  full: fc.integer({ min: 0, max: 3 }),
  partial: fc.integer({ min: 0, max: 3 }),
  sizeGib: fc.constantFrom(20, 30, 40),
  createdAtMs: fc.integer({ min: 0, max: 8 }),
  id: fc.integer({ min: 0, max: 60 }).map((number) => `imc-${number}`),
});
const options = {
  images,
  fullMatch: fc.boolean(),
  matchCount: fc.integer({ min: 0, max: 4 }),
  limit: fc.integer({ min: 1, max: 8 }),
  accept: fc.constantFrom(
    (id: string) => !id.endsWith('1'),
    (id: string) => id.endsWith('1'),
  ),
};
const firstPage = fc.record(options, { requiredKeys: ['images', 'limit'] });
const query = fc.record({ ...options, after: position }, { requiredKeys: ['images', 'limit'] });
type Step = { put: MatchEntry } | { remove: string } | { find: MatchQuery };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: entry }) },
  { weight: 2, arbitrary: fc.record({ remove: entry.map(({ id }) => id) }) },
  { weight: 2, arbitrary: fc.record({ find: query }) },
);
/** Small enough for a few dozen caches to split and merge blocks, to make bitmaps of lists and back, and to stop counting. */
const tuning = fc.record({
  blockCapacity: fc.constantFrom(1, 2, 4, 8, 128),
  minDenseLength: fc.constantFrom(0, 2, 6, 256),
  maxCounted: fc.constantFrom(1, 3, 10, 1000),
});

test('any queries among any changes are answered as by looking at every cache', () => {
  fc.assert(
    fc.property(tuning, fc.array(step, { maxLength: 300, size: 'max' }), (sizes, steps) => {
      const index = createMatchIndex({ tuning: sizes });
      const entries = new Map<string, MatchEntry>();
      for (const one of steps) {
        if ('put' in one) {
          index.put(one.put);
          entries.set(one.put.id, one.put);
        } else if ('remove' in one) {
          index.remove(one.remove);
          entries.delete(one.remove);
        } else {
          assert.deepEqual(index.find(one.find), slowMatch([...entries.values()], one.find, sizes.maxCounted));
        }
        assert.equal(index.size, entries.size);
      }
    }),
    { numRuns: 200 },
  );
});

test('pages together are the whole list, whatever the size of a page', () => {
  const catalog = fc.uniqueArray(entry, { selector: ({ id }) => id, maxLength: 61, size: 'max' });
  fc.assert(
    fc.property(tuning, catalog, firstPage, (sizes, entries, asked) => {
      const index = createMatchIndex({ tuning: sizes });
      index.putAll(entries);
      const whole = slowMatch(entries, { ...asked, limit: 1000 }, sizes.maxCounted);
      const paged = [...pages(asked, (one) => index.find(one))].flatMap((result) => result.matches);
      assert.deepEqual(paged, whole.matches);
    }),
  );
});

test('a cache that stays comes exactly once however others come and go between pages', () => {
  const catalog = fc.uniqueArray(entry, { selector: ({ id }) => id, minLength: 1, maxLength: 61, size: 'max' });
  const changes = fc.array(fc.record({ put: entry, remove: fc.integer({ min: 0, max: 60 }) }), { maxLength: 60 });
  fc.assert(
    fc.property(tuning, catalog, changes, firstPage, (sizes, entries, between, asked) => {
      const index = createMatchIndex({ tuning: sizes });
      index.putAll(entries);
      const stays = new Set(slowMatch(entries, { ...asked, limit: 1000 }, 1000).matches.map(({ id }) => id));
      const seen: string[] = [];
      let change = 0;
      for (const result of pages(asked, (one) => index.find(one))) {
        seen.push(...result.matches.map(({ id }) => id));
        const next = between[change++];
        if (next === undefined) continue;
        const gone = `imc-${next.remove}`;
        index.remove(gone);
        index.put({ ...next.put, id: `new-${change}` });
        stays.delete(gone);
      }
      assert.equal(new Set(seen).size, seen.length);
      for (const id of stays) assert.ok(seen.includes(id), id);
    }),
  );
});

function* pages(
  asked: MatchQuery,
  find: (query: MatchQuery) => { matches: readonly { id: string }[]; next?: MatchPosition },
) {
  for (let result = find(asked); ; result = find({ ...asked, after: result.next })) {
    yield result;
    if (result.next === undefined) return;
  }
}

const one = (id: string, held: readonly string[], createdAtMs = 0, sizeGib = 20): MatchEntry => ({
  id,
  images: held,
  sizeGib,
  createdAtMs,
});

test('many blocks, so that bitmaps have several pages', () => {
  // Four caches in each block of 128 ordinals, and half of all caches in a list, which is what makes it a bitmap.
  const sizes = { blockCapacity: 4, minDenseLength: 0, maxCounted: 20 };
  const catalog = fc.array(entry, { minLength: 4500, maxLength: 4500 });
  fc.assert(
    fc.property(catalog, fc.array(query, { minLength: 12, maxLength: 12 }), (many, queries) => {
      const index = createMatchIndex({ tuning: sizes });
      const entries = many.map((each, number) => ({ ...each, id: `imc-${number}` }));
      index.putAll(entries);
      const left = entries.filter(({ id }) => !id.endsWith('7'));
      for (const { id } of entries) if (id.endsWith('7')) index.remove(id);
      for (const asked of queries) assert.deepEqual(index.find(asked), slowMatch(left, asked, sizes.maxCounted));
    }),
    // Shrinking thousands of caches would take very long.
    { numRuns: 2, endOnFailure: true },
  );
});

test('100 images in one request, and not one more', () => {
  const index = createMatchIndex({ tuning: { blockCapacity: 8, minDenseLength: 4, maxCounted: 10 } });
  const all = Array.from({ length: 101 }, (_, number) => `app:${number}`);
  const entries = Array.from({ length: 60 }, (_, number) => one(`imc-${number}`, all.slice(number, number + 40)));
  index.putAll(entries);
  const asked = { images: all.slice(0, 100), limit: 30 };
  assert.deepEqual(index.find(asked), slowMatch(entries, asked, 10));
  assert.throws(() => index.find({ images: all, limit: 1 }), { code: 'caches.too-many-images' });
});

test('lists too long to be added up at once, and sums that need several bits', () => {
  const sizes = { blockCapacity: 16, minDenseLength: 10_000, maxCounted: 50 };
  const index = createMatchIndex({ tuning: sizes });
  const entries = Array.from({ length: 5_000 }, (_, number) =>
    one(
      `imc-${number}`,
      [3, 4, 5, 6, 7, 8].flatMap((divisor) => (number % divisor === 0 ? [`app-${divisor}:2`] : [`app-${divisor}:1`])),
      number % 600,
      20 + (number % 3),
    ),
  );
  index.putAll(entries);
  const six = [3, 4, 5, 6, 7, 8].map((divisor) => `app-${divisor}:1`);
  for (const matchCount of [0, 2, 4]) {
    for (const asked of [six, [...six, 'app-3:3', 'app-3:4', 'app-4:3']]) {
      const first = { images: asked, matchCount, limit: 100 };
      const found = index.find(first);
      assert.deepEqual(found, slowMatch(entries, first, sizes.maxCounted));
      const next = { ...first, ...(found.next === undefined ? {} : { after: found.next }) };
      assert.deepEqual(index.find(next), slowMatch(entries, next, sizes.maxCounted));
    }
  }
});

test('an accept that throws leaves the index as it was', () => {
  const index = createMatchIndex({ tuning: { blockCapacity: 8, minDenseLength: 4, maxCounted: 10 } });
  const entries = Array.from({ length: 60 }, (_, number) =>
    one(`imc-${number}`, [`a:${number % 3}`, `b:${number % 7}`]),
  );
  index.putAll(entries);
  const asked = { images: ['a:1', 'b:2', 'c'], limit: 5 };
  for (const calls of [1, 3, 12, 25]) {
    let left = calls;
    const accept = () => {
      if (--left < 0) throw new Error('no more');
      return true;
    };
    for (const matchCount of [0, 1, 2]) {
      try {
        index.find({ ...asked, matchCount, accept });
      } catch (error) {
        assert.match(String(error), /no more/);
      }
    }
    assert.deepEqual(index.find(asked), slowMatch(entries, asked, 10));
  }
});

test('full before partial, then the smallest, the newest, the lowest id', () => {
  const index = createMatchIndex();
  index.putAll([
    one('partial', ['nginx:1', 'redis:6']),
    one('large', ['nginx:2'], 9, 40),
    one('old', ['nginx:2'], 1),
    one('new-b', ['nginx:2'], 2),
    one('new-a', ['docker.io/library/nginx:2'], 2),
    one('both', ['nginx:2', 'redis:6'], 0, 100),
    one('none', ['busybox']),
  ]);
  const { matches, total } = index.find({ images: ['nginx:2', 'nginx:2', 'redis:7'], limit: 10 });
  assert.deepEqual(matches[0], { id: 'both', full: 1, partial: 1 });
  assert.deepEqual(
    matches.map(({ id }) => id),
    ['both', 'new-a', 'new-b', 'old', 'large', 'partial'],
  );
  assert.equal(total, 6);
});

test('a digest decides where it is named', () => {
  const [first, second] = digests;
  const index = createMatchIndex();
  index.put(one('c', [`nginx:1@${first}`]));
  const full = (asked: string) => index.find({ images: [asked], limit: 1, fullMatch: true }).total === 1;
  assert.ok(full('nginx:1'));
  assert.ok(full(`nginx@${first}`));
  assert.ok(full(`nginx:1@${first}`));
  assert.ok(!full(`nginx:1@${second}`));
  assert.ok(!full(`nginx@${second}`));
  assert.ok(!full('nginx'));
});
