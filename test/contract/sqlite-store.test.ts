import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { createSealer, SEAL_KEY_BYTES, type Sealer } from '../../src/accounts/index.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { describeStoreContract } from './store.ts';
import { create, finishReady, LEASE_MS, PASSWORD, publish, read } from './store-fixtures.ts';

const newSealer = (): Sealer => createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
let directory: string;
let files = 0;
const newPath = () => join(directory, `${++files}.db`);
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-store-'));
});
after(() => rm(directory, { recursive: true }));

describeStoreContract('sqlite', () => openSqliteStore({ path: newPath(), seal: newSealer() }));

describe('sqlite store', () => {
  test('what was committed is there after opening again, without closing first', async () => {
    const options = { path: newPath(), seal: newSealer() };
    const first = await openSqliteStore(options);
    const cache = await create(first);
    await first.builds.claim('a', 0, LEASE_MS);
    await publish(first, 1, cache);
    const second = await openSqliteStore(options);
    assert.deepEqual(await read(second, cache), cache);
    assert.equal(await finishReady(second, cache, { owner: 'a', layers: [1] }), true);
    assert.equal((await read(first, cache))?.status, 'Ready', 'two processes see the same');
    await Promise.all([first.close(), second.close()]);
    const third = await openSqliteStore(options);
    assert.equal((await read(third, cache))?.status, 'Ready');
    await third.close();
  });

  test('a list that was read before tells what another process, or a match, changed since', async () => {
    const options = { path: newPath(), seal: newSealer() };
    const [server, other] = [await openSqliteStore(options), await openSqliteStore(options)];
    const cache = await create(server);
    const scope = { accountId: cache.accountId, regionId: cache.regionId };
    const list = () => server.caches.list(scope, { limit: 1 });
    const [first, again] = [await list(), await list()];
    assert.equal(again, first, 'not read again while nothing changes');
    assert.equal(first.total, 1);
    await other.caches.change(cache, [cache.id], (one) => ({ cache: { ...one, name: 'renamed' } }), { nowMs: 1 });
    const renamed = await list();
    assert.equal(JSON.parse(renamed.json.toString())[0].name, 'renamed');
    await server.caches.touch([{ ...scope, id: cache.id, matchedAtMs: 7 }]);
    assert.notEqual(await list(), renamed);
    await other.caches.delete({ ...scope, id: cache.id });
    assert.deepEqual(await list(), { json: '[]', total: 0 });
    await Promise.all([server.close(), other.close()]);
  });

  test('registry passwords never lie on the disk in clear, and are gone after the build', async () => {
    const path = newPath();
    const seal = newSealer();
    const store = await openSqliteStore({ path, seal });
    const cache = await create(store);
    const database = new DatabaseSync(path);
    const sealed = database.prepare('select sealed_credentials from builds').get()?.sealed_credentials;
    database.close();
    assert.ok(typeof sealed === 'string' && seal.open(sealed).includes(PASSWORD));
    assert.ok(!(await bytesOf(path)).includes(PASSWORD));
    await store.builds.claim('a', 0, LEASE_MS);
    await finishReady(store, cache, { owner: 'a', layers: [] });
    await store.close();
    const bytes = await bytesOf(path);
    assert.ok(!bytes.includes(PASSWORD));
    assert.ok(!bytes.includes(sealed), 'not even sealed');
  });

  test('a build whose credentials were sealed with another key fails, and the next one is claimed', async () => {
    const path = newPath();
    const earlier = await openSqliteStore({ path, seal: newSealer() });
    const lost = await create(earlier, { createdAtMs: 1 });
    await earlier.close();
    const store = await openSqliteStore({ path, seal: newSealer() });
    const next = await create(store, { createdAtMs: 2 });
    assert.equal((await store.builds.claim('a', 5, LEASE_MS))?.cache.id, next.id);
    const failed = await read(store, lost);
    assert.deepEqual([failed?.status, failed?.events.at(-1)?.type], ['Failed', 'Warning']);
    await store.close();
  });

  test('a database of a later version is refused, and left as it was', async () => {
    const options = { path: newPath(), seal: newSealer() };
    await (await openSqliteStore(options)).close();
    const database = new DatabaseSync(options.path);
    database.exec('update schema_version set version = version + 1');
    database.close();
    const bytes = await readFile(options.path);
    await assert.rejects(openSqliteStore(options), { code: 'store.newer' });
    assert.deepEqual(await readFile(options.path), bytes);
  });

  test('a file that is no database is refused', async () => {
    const path = newPath();
    await writeFile(path, 'not a database, but long enough to have a header of one hundred bytes'.repeat(3));
    await assert.rejects(openSqliteStore({ path, seal: newSealer() }), { code: 'store.corrupt' });
  });

  test('nobody else may read the database or its side files', async () => {
    const path = newPath();
    const store = await openSqliteStore({ path, seal: newSealer() });
    await create(store);
    for (const name of await filesOf(path)) assert.equal((await stat(name)).mode & 0o777, 0o600, name);
    await store.close();
  });

  test('a closed store says so', async () => {
    const store = await openSqliteStore({ path: newPath(), seal: newSealer() });
    await store.close();
    await assert.rejects(store.ping());
  });
});

async function filesOf(path: string): Promise<string[]> {
  const names = await readdir(directory);
  return names.map((name) => join(directory, name)).filter((file) => file.startsWith(path));
}

async function bytesOf(path: string): Promise<Buffer> {
  return Buffer.concat(await Promise.all((await filesOf(path)).map((file) => readFile(file))));
}
