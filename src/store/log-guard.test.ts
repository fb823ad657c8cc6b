import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { createLogGuard } from './log-guard.ts';

/** SQLITE_IOERR_FSYNC and SQLITE_FULL. Errors of a real disk are in test/faults/disk-faults.test.ts. */
const [FSYNC_FAILED, DISK_FULL] = [1034, 13];

async function open(context: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'larder-log-guard-'));
  const path = join(folder, 'test.db');
  const database = new DatabaseSync(path);
  database.exec('pragma journal_mode = wal; create table t (x); insert into t values (1)');
  context.after(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
  const guard = createLogGuard(database);
  return {
    database,
    guard,
    path,
    logBytes: async () => (await readFile(`${path}-wal`)).length,
    fail: (errcode: number) => {
      const error = Object.assign(new Error('failed'), { errcode });
      assert.throws(() => guard.watch(() => assert.fail(error)), error);
    },
  };
}

test('only an error of the disk empties the log, once, before the next write', async (context) => {
  const { database, guard, logBytes, fail } = await open(context);
  fail(DISK_FULL);
  guard.beforeWrite();
  assert.ok((await logBytes()) > 0);
  fail(FSYNC_FAILED);
  assert.ok((await logBytes()) > 0);
  guard.beforeWrite();
  assert.equal(await logBytes(), 0);
  database.exec('insert into t values (2)');
  guard.beforeWrite();
  assert.ok((await logBytes()) > 0);
  assert.equal(database.prepare('select count(*) as n from t').get()?.n, 2);
});

test('nothing is written while somebody still reads the log', async (context) => {
  const { guard, path, logBytes, fail } = await open(context);
  const reader = new DatabaseSync(path);
  reader.exec('begin; select * from t');
  fail(FSYNC_FAILED);
  assert.throws(() => guard.beforeWrite(), { code: 'store.busy' });
  reader.close();
  guard.beforeWrite();
  assert.equal(await logBytes(), 0);
});
