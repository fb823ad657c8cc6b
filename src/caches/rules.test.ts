import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { effectiveSizeGib, MAX_TAGS } from './limits.ts';
import { nameProblem, tagsProblem } from './names.ts';
import { pullPercent } from './progress.ts';
import { expiry, failedExpiry, isExpired } from './retention.ts';

test('progress is a whole number from 0 to 99 that never falls', () => {
  const work = fc.record({ downloadedBytes: fc.nat(), totalBytes: fc.nat() });
  fc.assert(
    fc.property(fc.array(fc.array(work, { maxLength: 5 })), (steps) => {
      let percent = 0;
      for (const parts of steps) {
        const next = pullPercent(parts, percent);
        assert.ok(Number.isInteger(next) && next >= percent && next <= 99);
        percent = next;
      }
    }),
  );
});

test('progress follows the bytes', () => {
  assert.equal(pullPercent([]), 0);
  assert.equal(pullPercent([{ downloadedBytes: 1, totalBytes: 3 }]), 33);
  assert.equal(
    pullPercent([
      { downloadedBytes: 50, totalBytes: 100 },
      { downloadedBytes: 100, totalBytes: 100 },
    ]),
    75,
  );
  assert.equal(pullPercent([{ downloadedBytes: 9, totalBytes: 9 }]), 99);
});

test('a cache expires its days after creation, a failed one after a day, others never', () => {
  assert.equal(expiry(1000, undefined), undefined);
  assert.equal(expiry(1000, 2), 1000 + 2 * 86_400_000);
  assert.equal(failedExpiry(5), 5 + 86_400_000);
  assert.equal(isExpired({}, Number.MAX_SAFE_INTEGER), false);
  assert.equal(isExpired({ expiresAtMs: 10 }, 9), false);
  assert.equal(isExpired({ expiresAtMs: 10 }, 10), true);
});

test('a small size is raised to the minimum', () => {
  assert.equal(effectiveSizeGib(undefined), 20);
  assert.equal(effectiveSizeGib(10), 20);
  assert.equal(effectiveSizeGib(25), 25);
  assert.equal(effectiveSizeGib(2, 1), 2);
});

test('names: any text up to 128 characters, no control characters', () => {
  for (const name of ['a', 'imagecache-test', '缓存 1', 'x'.repeat(128)]) assert.equal(nameProblem(name), undefined);
  for (const name of ['', ' ', 'x'.repeat(129), 'a\nb', 'a\u0000']) assert.ok(nameProblem(name));
});

test('tags: 20, unique keys, lengths, reserved prefixes', () => {
  assert.equal(tagsProblem([{ key: 'imc', value: '' }]), undefined);
  assert.equal(tagsProblem([]), undefined);
  const many = Array.from({ length: MAX_TAGS + 1 }, (_, index) => ({ key: `k${index}`, value: '' }));
  assert.equal(tagsProblem(many.slice(1)), undefined);
  assert.ok(tagsProblem(many));
  assert.ok(
    tagsProblem([
      { key: 'a', value: '1' },
      { key: 'a', value: '2' },
    ]),
  );
  for (const key of ['', 'aliyun-x', 'ACS:x', 'http://x', 'x'.repeat(129)])
    assert.ok(tagsProblem([{ key, value: '' }]), key);
  for (const value of ['acs:x', 'see https://x', 'x'.repeat(129)]) assert.ok(tagsProblem([{ key: 'k', value }]), value);
});
