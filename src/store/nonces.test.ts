import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readdir, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { FingerprintSet } from './fingerprint-set.ts';
import { createNonceStore } from './nonces.ts';

const minutes = (count: number) => count * 60_000;
/** A nonce as the gateway remembers it. */
const until = (nowMs: number) => [nowMs + minutes(30), nowMs] as const;

async function newPath(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'larder-nonces-'));
  t.after(() => rm(directory, { recursive: true }));
  return join(directory, 'larder.db');
}

test('nonces outlive the process, also one that was killed, and a record that was cut off harms nobody', async (t) => {
  const path = await newPath(t);
  const killed = createNonceStore(path);
  for (let index = 0; index < 100; index++) await killed.remember('k', `n${index}`, ...until(0));
  const second = createNonceStore(path);
  for (let index = 0; index < 100; index++) {
    assert.equal(await second.remember('k', `n${index}`, ...until(minutes(1))), false, `${index}`);
  }
  await second.remember('k', 'whole', ...until(minutes(1)));
  second.close();
  const name = `${path}.nonces`;
  await truncate(name, (await stat(name)).size - 5);
  const third = createNonceStore(path);
  assert.equal(await third.remember('k', 'n99', ...until(minutes(1))), false);
  assert.equal(await third.remember('k', 'whole', ...until(minutes(1))), true);
  third.close();
  await appendFile(name, Buffer.alloc(4096));
  const fourth = createNonceStore(path);
  assert.equal(await fourth.remember('k', 'whole', ...until(minutes(2))), false);
  assert.equal(await fourth.remember('k', 'n99', ...until(minutes(31))), true, 'what has expired is not read again');
  fourth.close();
});

test('the log does not grow for ever, and nobody else may read it', async (t) => {
  const path = await newPath(t);
  const nonces = createNonceStore(path);
  for (let minute = 0; minute < 300; minute++) {
    for (let index = 0; index < 10; index++)
      assert.equal(await nonces.remember('k', `${minute}.${index}`, ...until(minutes(minute))), true);
    if (minute % 7 > 0) continue;
    const reopened = createNonceStore(path);
    for (const before of [0, 1, 15, 29].filter((many) => many <= minute)) {
      assert.equal(
        await reopened.remember('k', `${minute - before}.3`, ...until(minutes(minute))),
        false,
        `${minute} - ${before}`,
      );
    }
    reopened.close();
  }
  nonces.close();
  const names = await readdir(join(path, '..'));
  assert.deepEqual(names.toSorted(), ['larder.db.nonces', 'larder.db.nonces.old']);
  for (const name of names) {
    const { size, mode } = await stat(join(path, '..', name));
    assert.ok(size <= 12 * 10 * 31, `${name} has ${size} bytes`);
    assert.equal(mode & 0o777, 0o600);
  }
});

test('a store that remembers no nonces leaves no log', async (t) => {
  const path = await newPath(t);
  createNonceStore(path).close();
  assert.deepEqual(await readdir(join(path, '..')), []);
});

test('property: a set of fingerprints is a set', () => {
  const word = fc.oneof(fc.nat(3), fc.constantFrom(2 ** 32 - 1, 2 ** 31, 1024, 2048), fc.nat(2 ** 31));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(word, word), { maxLength: 3_000 }),
      fc.array(fc.tuple(word, word)),
      (added, asked) => {
        const set = new FingerprintSet();
        // The low words 0 and 1 are one.
        const model = new Set<string>();
        const keyOf = ([high, low]: [number, number]) => `${high} ${low || 1}`;
        for (const one of added) {
          assert.equal(set.has(one), model.has(keyOf(one)));
          set.add(one);
          model.add(keyOf(one));
        }
        for (const one of [...added, ...asked]) assert.equal(set.has(one), model.has(keyOf(one)));
      },
    ),
    { numRuns: 50 },
  );
});

test('a disk that takes nothing refuses no nonce, and gets them all once it takes them again', async (t) => {
  const path = await newPath(t);
  const store = createNonceStore(path);
  await store.remember('k', 'first', ...until(0));
  // The files can't change places.
  await mkdir(`${path}.nonces.old/in-the-way`, { recursive: true });
  for (const nonce of ['second', 'third']) assert.equal(await store.remember('k', nonce, ...until(minutes(1))), true);
  assert.equal(await store.remember('k', 'second', ...until(minutes(1))), false);
  await rm(`${path}.nonces.old`, { recursive: true });
  await store.remember('k', 'fourth', ...until(minutes(1)));
  store.close();
  const next = createNonceStore(path);
  for (const nonce of ['first', 'second', 'third', 'fourth'])
    assert.equal(await next.remember('k', nonce, ...until(minutes(2))), false, nonce);
});
