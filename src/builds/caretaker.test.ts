/** The caretaker by itself finds what changed on the disk, and brings it back; it reads no faster than it may. */
import assert from 'node:assert/strict';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { type BuildHouse, openBuildHouse } from '../../test/support/build-house.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { writeTar } from '../../test/support/tar-writer.ts';
import { until } from '../../test/support/until.ts';
import { VERIFIED_TIME_S } from '../blobs/index.ts';
import type { Clock } from '../lib/clock.ts';
import { startCaretaker } from './caretaker.ts';
import type { CareServices } from './services.ts';

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
const SETTINGS = { name: 'test', scrubDays: 7, gcGraceMs: 3_600_000 };
/** A blob is read anew after three quarters of the days; those of the tests were last read now. */
const WHEN_DUE: Clock = { now: () => Date.now() + 6 * DAY_MS };
const BEFORE_DUE: Clock = { now: () => Date.now() + 5 * DAY_MS };

/** A Ready cache of one layer, in which a byte changes without a write that the file system knows of. */
async function buildDamaged(t: TestContext) {
  const house = await openBuildHouse(t);
  const content = Buffer.alloc(2 * MIB, 'content ');
  const layer = Buffer.concat([...writeTar([{ name: 'data', type: 'file', content }])]);
  house.registry.putImage('app', buildImage({ layers: [layer] }), '1');
  const worker = house.startWorker();
  const { id } = await house.create([`${house.registry.host}/app:1`]);
  const cache = await house.ended(id);
  assert.equal(cache?.status, 'Ready', JSON.stringify(cache?.events));
  await worker.stop();
  const [blob] = await house.services.store.health.storedBlobs({ limit: 1 });
  const path = house.services.blobs.path(blob?.diffId ?? assert.fail('no blob'));
  const original = await readFile(path);
  const damaged = Buffer.from(original);
  damaged[MIB] = (damaged[MIB] ?? 0) ^ 1;
  await writeFile(path, damaged);
  await utimes(path, VERIFIED_TIME_S, VERIFIED_TIME_S);
  return { house, id, path, original, damaged };
}

const reasonsOf = async (house: BuildHouse, id: string) =>
  (await house.find(id))?.events.map(({ reason }) => reason) ?? [];

/** Calls `read` with how much was read of a blob, before the caretaker is told of it. */
function watchReads(services: CareServices, onRead: (bytes: number) => void): CareServices {
  const { keeper } = services;
  return {
    ...services,
    keeper: {
      ...keeper,
      read: (diffId, { signal, onPiece }) =>
        keeper.read(diffId, {
          signal,
          onPiece(bytes) {
            onRead(bytes);
            return onPiece?.(bytes);
          },
        }),
    },
  };
}

test('a blob that changed is found once it is due, and rebuilt', { timeout: 60_000 }, async (t) => {
  const { house, id, path, original } = await buildDamaged(t);
  const services = { ...house.services, clock: WHEN_DUE };
  const caretaker = startCaretaker(services, { ...SETTINGS, scrubBytesPerSecond: 100 * MIB });
  try {
    await until('it is repaired', async () => (await reasonsOf(house, id)).includes('Repaired'));
  } finally {
    await caretaker.stop();
  }
  assert.deepEqual((await reasonsOf(house, id)).slice(-2), ['Damaged', 'Repaired']);
  assert.deepEqual(await readFile(path), original);
});

test('before it is due, and where it is turned off, nothing is read', { timeout: 60_000 }, async (t) => {
  const { house, path, damaged } = await buildDamaged(t);
  const { store } = house.services;
  for (const [clock, scrubBytesPerSecond, expected] of [
    [BEFORE_DUE, 100 * MIB, [0]],
    [WHEN_DUE, 0, []],
    [WHEN_DUE, 1, [1]],
  ] as const) {
    const due: number[] = [];
    let looks = 0;
    const health: typeof store.health = {
      ...store.health,
      async dueBlobs(...args) {
        const blobs = await store.health.dueBlobs(...args);
        due.push(blobs.length);
        return blobs;
      },
      async lost() {
        looks++;
        return store.health.lost();
      },
    };
    const services = { ...house.services, store: { ...store, health }, clock };
    const caretaker = startCaretaker(services, { ...SETTINGS, scrubBytesPerSecond });
    try {
      // Blobs that are due are asked for before.
      await until('it looked after lost layers', () => looks > 0 && due.length === expected.length);
    } finally {
      await caretaker.stop();
    }
    assert.deepEqual(due, expected, `${scrubBytesPerSecond}`);
  }
  assert.deepEqual(await readFile(path), damaged);
});

test('it waits after a piece as its rate says, and stops in the middle of it', { timeout: 60_000 }, async (t) => {
  const { house, id, path, damaged } = await buildDamaged(t);
  const pieces: number[] = [];
  const services = watchReads({ ...house.services, clock: WHEN_DUE }, (bytes) => void pieces.push(bytes));
  const caretaker = startCaretaker(services, { ...SETTINGS, scrubBytesPerSecond: 1 });
  try {
    await until('a piece was read', () => pieces.length > 0);
  } finally {
    await caretaker.stop();
  }
  assert.equal(pieces.length, 1, 'the next piece is due in days');
  assert.deepEqual(await readFile(path), damaged);
  assert.ok(!(await reasonsOf(house, id)).includes('Damaged'));
});
