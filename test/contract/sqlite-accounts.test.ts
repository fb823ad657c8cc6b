import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Kysely } from 'kysely';
import { createSealer, SEAL_KEY_BYTES } from '../../src/accounts/index.ts';
import { openSqliteStore } from '../../src/store/index.ts';
import { initial } from '../../src/store/migrations/0001-initial.ts';
import { migrate } from '../../src/store/migrations/index.ts';
import type { Schema } from '../../src/store/schema.ts';
import { createSqliteDialect } from '../../src/store/sqlite-dialect.ts';
import { ACCOUNT, create } from './store-fixtures.ts';

const seal = createSealer(randomBytes(SEAL_KEY_BYTES), 'test', randomBytes);
const key = { id: 'LRDR1', accountId: ACCOUNT, sealedSecret: 'sealed', active: true };
let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-accounts-'));
});
after(() => rm(directory, { recursive: true }));

test('a change by another process shows in the version at the next turn of the event loop; its other writes do not', async () => {
  const path = join(directory, 'two.db');
  await using stack = new AsyncDisposableStack();
  const server = stack.adopt(await openSqliteStore({ path, seal }), (store) => store.close());
  const tool = stack.adopt(await openSqliteStore({ path, seal }), (store) => store.close());
  await tool.accounts.createAccount({ id: ACCOUNT, name: 'default', createdAtMs: 1 }, key);
  const version = await server.accounts.version();
  assert.equal(server.accounts.version(), version, 'without a promise while nothing happens');
  await create(tool);
  await nextTurn();
  assert.equal(await server.accounts.version(), version);
  await tool.accounts.setAccessKeyActive(key, false);
  await nextTurn();
  assert.ok((await server.accounts.version()) > version);
  assert.equal((await server.accounts.findAccessKey(key.id))?.active, false);
});

test('keys of a database of the first version work on, as the account’s own', async () => {
  const path = join(directory, 'old.db');
  const old = new Kysely<Schema>({ dialect: createSqliteDialect(new DatabaseSync(path)) });
  await migrate(old, [initial]);
  await old.destroy();
  const database = new DatabaseSync(path);
  database.exec(`insert into accounts values ('${ACCOUNT}', 'default', 1)`);
  database.exec(`insert into access_keys values ('${key.id}', '${ACCOUNT}', '${key.sealedSecret}', 1)`);
  database.close();
  const store = await openSqliteStore({ path, seal });
  assert.deepEqual(await store.accounts.findAccessKey(key.id), key);
  assert.deepEqual(await store.accounts.list(), [{ id: ACCOUNT, name: 'default', createdAtMs: 1, states: [] }]);
  await store.close();
});
