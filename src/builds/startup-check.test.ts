/** What a start decides is in its log, a line for each; and it ends, however much there is to look at. */
import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openBuildHouse } from '../../test/support/build-house.ts';
import { digestOfHex } from '../lib/digest.ts';
import type { Logger } from '../lib/logger.ts';
import { checkAfterStart, releaseDeadLeases } from './startup-check.ts';

const BLOBS = 10_000;
const MAX_CHECK_MS = 60_000;

type Line = { level: string; message: string; fields: object };

function recordingLogger(): { log: Logger; lines: Line[] } {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, message: string) => void lines.push({ level, message, fields });
  return { log: { debug() {}, info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

test('builds of the dead are named as they go on', async (t) => {
  const house = await openBuildHouse(t);
  const { log, lines } = recordingLogger();
  const nowMs = Date.now();
  const caches = [await house.create(['a']), await house.create(['b'])];
  for (const owner of ['host/1/a', 'host/1/b']) await house.services.store.builds.claim(owner, nowMs, 60_000);
  await releaseDeadLeases({ store: house.services.store, log });
  assert.deepEqual(
    new Set(lines.map(({ fields }) => 'build' in fields && fields.build)),
    new Set(caches.map(({ containerGroupId }) => containerGroupId)),
  );
});

test(`a start looks at ${BLOBS} layers and says which are lost`, { timeout: MAX_CHECK_MS }, async (t) => {
  const house = await openBuildHouse(t);
  const { log, lines } = recordingLogger();
  const keys = Array.from({ length: BLOBS }, (_, index) => digestOfHex(hash('sha256', `${index}`, 'hex')));
  const database = new DatabaseSync(join(house.directory, 'larder.db'));
  try {
    database.exec('begin');
    const insert = database.prepare("insert into layers (diff_id, state, changed_at_ms) values (?, 'ready', 0)");
    for (const key of keys) insert.run(key);
    database.exec('commit');
  } finally {
    database.close();
  }
  const paths = keys.map((key) => house.services.blobs.path(key));
  for (const folder of new Set(paths.map(dirname))) mkdirSync(folder, { recursive: true });
  for (const path of paths) writeFileSync(path, '');
  const [missing = '', longer = ''] = [paths[BLOBS / 2], paths.at(-1)];
  rmSync(missing);
  writeFileSync(longer, 'x');

  await checkAfterStart({ ...house.services, log }, AbortSignal.timeout(MAX_CHECK_MS));
  const lost = lines.filter(({ message }) => message.startsWith('layer lost'));
  assert.deepEqual(
    new Map(lost.map(({ fields }) => ['diffId' in fields && fields.diffId, 'reason' in fields && fields.reason])),
    new Map([
      [keys[BLOBS / 2], 'missing'],
      [keys.at(-1), 'wrong-size'],
    ]),
  );
  const last = lines.at(-1);
  assert.match(last?.message ?? '', /start-up check done/);
  assert.deepEqual(
    { ...last?.fields, ms: 0 },
    { blobs: BLOBS, lost: 2, snapshots: 0, restored: 0, lostSnapshots: 0, ms: 0 },
  );
});
