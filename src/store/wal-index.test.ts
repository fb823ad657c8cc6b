import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openWalIndex } from './wal-index.ts';

/** Two connections to a database with an empty table, and its index by another path. */
async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'larder-wal-index-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'larder.db');
  const link = join(folder, 'link.db');
  await symlink(path, link);
  const [one, other] = [new DatabaseSync(path), new DatabaseSync(path)];
  one.exec('pragma journal_mode = wal; create table texts (text text); pragma wal_checkpoint(truncate)');
  const walIndex = await openWalIndex(link);
  t.after(() => {
    one.close();
    other.close();
    walIndex.close();
  });
  return { one, other, walIndex };
}

test('a commit of any connection changes the number, by whatever path the database was opened; nothing else does', async (t) => {
  const { one, other, walIndex } = await open(t);
  let before = walIndex.commits();
  const hasChanged = () => {
    const now = walIndex.commits();
    const changed = now !== before;
    before = now;
    return changed;
  };
  assert.equal(hasChanged(), false);
  one.exec('insert into texts values (1)');
  assert.deepEqual([hasChanged(), hasChanged()], [true, false]);
  other.exec('insert into texts values (2)');
  assert.deepEqual([hasChanged(), hasChanged()], [true, false]);
  other.prepare('select * from texts').all();
  one.exec('begin immediate; insert into texts values (3)');
  assert.equal(hasChanged(), false, 'a transaction under way');
  one.exec('rollback');
  assert.equal(hasChanged(), false, 'rolled back');
  // The log begins anew, and the header with it.
  one.exec('pragma wal_checkpoint(truncate)');
  hasChanged();
  for (let number = 0; number < 100; number++) {
    (number % 2 === 0 ? one : other).exec(`insert into texts values (${number})`);
    assert.equal(hasChanged(), true);
  }
});

test('pages wait from their commit until a checkpoint, of whatever connection', async (t) => {
  const { one, other, walIndex } = await open(t);
  assert.equal(walIndex.pendingPages(), 0);
  one.exec(`insert into texts values ('${'x'.repeat(40_000)}')`);
  const pages = walIndex.pendingPages();
  assert.ok(pages >= 10 && pages <= 14, `${pages}`);
  other.exec('pragma wal_checkpoint(passive)');
  assert.equal(walIndex.pendingPages(), 0);
  one.exec("insert into texts values ('')");
  assert.ok(walIndex.pendingPages() >= 1 && walIndex.pendingPages() <= 3);
});
