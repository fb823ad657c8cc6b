import assert from 'node:assert/strict';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openCommitCounter } from './commit-counter.ts';

test('a commit of any connection changes the number, by whatever path the database was opened; nothing else does', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'larder-commits-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'larder.db');
  const link = join(folder, 'link.db');
  await symlink(path, link);
  const [one, other] = [new DatabaseSync(path), new DatabaseSync(path)];
  one.exec('pragma journal_mode = wal; create table numbers (number integer)');
  const counter = await openCommitCounter(link);
  t.after(() => {
    one.close();
    other.close();
    counter.close();
  });

  let before = counter.current();
  const hasChanged = () => {
    const now = counter.current();
    const changed = now !== before;
    before = now;
    return changed;
  };
  assert.equal(hasChanged(), false);
  one.exec('insert into numbers values (1)');
  assert.deepEqual([hasChanged(), hasChanged()], [true, false]);
  other.exec('insert into numbers values (2)');
  assert.deepEqual([hasChanged(), hasChanged()], [true, false]);
  other.prepare('select * from numbers').all();
  one.exec('begin immediate; insert into numbers values (3)');
  assert.equal(hasChanged(), false, 'a transaction under way');
  one.exec('rollback');
  assert.equal(hasChanged(), false, 'rolled back');
  // The log begins anew, and the header with it.
  one.exec('pragma wal_checkpoint(truncate)');
  hasChanged();
  for (let number = 0; number < 100; number++) {
    (number % 2 === 0 ? one : other).exec(`insert into numbers values (${number})`);
    assert.equal(hasChanged(), true);
  }
});
