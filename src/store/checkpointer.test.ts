import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Checkpointer, createCheckpointer, FALLBACK_PAGES } from './checkpointer.ts';
import { openWalIndex, type WalIndex } from './wal-index.ts';

const TIMEOUT_MS = 10_000;
/** Of SQLite's own choice, in bytes. */
const PAGE_BYTES = 4096;

let folder: string;
let path: string;
let database: DatabaseSync;
let walIndex: WalIndex;
let checkpointer: Checkpointer;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-checkpoint-'));
  path = join(folder, 'larder.db');
  database = new DatabaseSync(path);
  database.exec('pragma journal_mode = wal; create table texts (text text); pragma wal_checkpoint(truncate)');
  database.exec(`pragma wal_autocheckpoint = ${FALLBACK_PAGES}`);
  walIndex = await openWalIndex(path);
  checkpointer = createCheckpointer(path, walIndex.pendingPages);
});
after(() => rm(folder, { recursive: true, force: true }));

function write(pages: number): void {
  const insert = database.prepare('insert into texts values (?)');
  const text = 'x'.repeat(100 * PAGE_BYTES);
  for (let written = 0; written < pages; written += 100) {
    insert.run(text);
    checkpointer.afterCommit();
  }
}

async function untilCarriedOver(): Promise<void> {
  for (const endMs = performance.now() + TIMEOUT_MS; walIndex.pendingPages() >= 1_000; await sleep(10)) {
    assert.ok(performance.now() < endMs, `${walIndex.pendingPages()} pages wait`);
    checkpointer.afterCommit();
  }
}

test('a log that is short stays as it is', async () => {
  write(500);
  await sleep(100);
  assert.ok(walIndex.pendingPages() >= 500, `${walIndex.pendingPages()}`);
});

test('a long one is carried over while more is written, and its file stays bounded', async () => {
  for (let round = 0; round < 20; round++) {
    write(1_100);
    await untilCarriedOver();
  }
  const { size } = await stat(`${path}-wal`);
  assert.ok(size < (FALLBACK_PAGES + 2_000) * 1.01 * PAGE_BYTES, `${size}`);
  assert.equal(database.prepare('select count(*) as count from texts').get()?.count, 5 + 20 * 11);
});

test('what a reader still needs is left for the next checkpoint', async () => {
  const reader = new DatabaseSync(path, { readOnly: true });
  reader.exec('begin');
  reader.prepare('select count(*) from texts').get();
  write(1_100);
  await sleep(200);
  assert.ok(walIndex.pendingPages() >= 1_000, 'the reader sees the database as it was');
  reader.exec('commit');
  reader.close();
  await untilCarriedOver();
});

test('once it is closed the last connection leaves a whole database and no log', async () => {
  write(1_100);
  await checkpointer.close();
  const rows = Number(database.prepare('select count(*) as count from texts').get()?.count);
  database.close();
  walIndex.close();
  await assert.rejects(readFile(`${path}-wal`), { code: 'ENOENT' });
  const reopened = new DatabaseSync(path);
  assert.equal(reopened.prepare('select count(*) as count from texts').get()?.count, rows);
  assert.equal(reopened.prepare('pragma integrity_check').get()?.integrity_check, 'ok');
  reopened.close();
});
