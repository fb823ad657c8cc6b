/** Whatever is wrong with a data folder, `larder check` names it and ends with 1; it changes nothing. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { createImageCacheClient } from '../../test/support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../../test/support/larder-server.ts';
import { listFiles } from '../../test/support/list-files.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { startScriptedRegistry } from '../../test/support/scripted-registry.ts';
import { writeTar } from '../../test/support/tar-writer.ts';
import { until } from '../../test/support/until.ts';
import { run } from './index.ts';

const TIMEOUT_MS = 30_000;

let larder: LarderServer;
let work: string;
let snapshot: string;
let layer: string;

/** One cache, no server any more. */
before(async () => {
  await using registry = await startScriptedRegistry();
  work = await mkdtemp(join(tmpdir(), 'larder-check-'));
  larder = await startLarder({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
  const tar = Buffer.concat([...writeTar([{ name: 'data', type: 'file', content: randomBytes(20_000) }])]);
  registry.putImage('app', buildImage({ layers: [tar] }), '1');
  await createImageCacheClient(larder.endpoint).createReady([`${registry.host}/app:1`], TIMEOUT_MS);
  await until(
    'its manifest is copied',
    () => rowOf(larder.dataDirectory, 'select snapshot_id from uncopied_snapshots') === '',
  );
  await larder.stop();
  [snapshot = ''] = await listFiles(join(larder.dataDirectory, 'snapshots'));
  [layer = ''] = await listFiles(join(larder.dataDirectory, 'layers/sha256'));
});
after(async () => {
  await larder?.[Symbol.asyncDispose]();
  await rm(work, { recursive: true, force: true });
});

/** The first column of the first row; empty where there is none. */
function rowOf(folder: string, query: string): string {
  const database = new DatabaseSync(join(folder, 'larder.db'), { readOnly: true });
  try {
    return String(Object.values(database.prepare(query).get() ?? {})[0] ?? '');
  } finally {
    database.close();
  }
}

async function overwrite(path: string, bytes: Buffer, position: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(bytes, 0, bytes.length, position);
  } finally {
    await file.close();
  }
}

/** The page at the root of a table or an index, as noise. */
async function spoilPage(folder: string, name: string): Promise<void> {
  const root = Number(rowOf(folder, `select rootpage from sqlite_schema where name = '${name}'`));
  const bytes = Number(rowOf(folder, 'pragma page_size'));
  await overwrite(join(folder, 'larder.db'), Buffer.alloc(bytes, 0xa5), (root - 1) * bytes);
}

function change(folder: string, statements: string): void {
  const database = new DatabaseSync(join(folder, 'larder.db'), { enableForeignKeyConstraints: false });
  try {
    database.exec(statements);
  } finally {
    database.close();
  }
}

async function larderOf(argv: string[], { isTTY = false } = {}): Promise<{ code: number; told: string }> {
  const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), { isTTY, columns: 100 })];
  const io = { stdin: Readable.from([]), stdout, stderr, env: {}, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const code = await run(argv, io);
  return { code, told: `${await text(stdout.end())}${await text(stderr.end())}` };
}
const check = (folder: string) => larderOf(['check', '--deep', '--data', folder]);

test('a sound folder has no problem', async () => {
  const { code, told } = await check(larder.dataDirectory);
  assert.equal(code, 0, told);
  assert.match(told, /^\d+ secrets, 1 snapshots, 1 layers \(.*\): 0 problems\n$/);
});

for (const [what, damage, expected] of [
  ['the key of another server', (at) => writeFile(join(at, 'seal.key'), randomBytes(32)), /^secret access key \w+: /m],
  ['a key that is cut', (at) => writeFile(join(at, 'seal.key'), 'short'), /seal\.key has 5 bytes instead of 32/],
  [
    'a file that is no database',
    (at) => overwrite(join(at, 'larder.db'), Buffer.alloc(100), 0),
    /^database .*not a database/m,
  ],
  ['a damaged table', (at) => spoilPage(at, 'access_keys'), /^database .*larder\.db: .*damaged/m],
  ['a damaged table of layers', (at) => spoilPage(at, 'layers'), /^database .*larder\.db: .*damaged/m],
  ['a damaged index', (at) => spoilPage(at, 'layer_uses_layer'), /^database .*larder\.db: .*damaged/m],
  ['a row without the one it names', (at) => change(at, 'delete from accounts'), /^database .* has no accounts/m],
  ['a manifest that is missing', (at) => rm(join(at, 'snapshots', snapshot)), /^snapshot s-\w+ of imc-\w+: missing/m],
  [
    'a manifest that was changed',
    async (at) => {
      const path = join(at, 'snapshots', snapshot);
      await writeFile(path, (await readFile(path, 'utf8')).replace('linux', 'Linux'));
    },
    /^snapshot s-\w+ of imc-\w+: differs from the copy/m,
  ],
  ['a layer that is missing', (at) => rm(join(at, 'layers/sha256', layer)), /^layer sha256:[0-9a-f]{64}: missing/m],
  [
    'a layer that changed',
    (at) => overwrite(join(at, 'layers/sha256', layer), Buffer.from('x'), 5000),
    /^layer sha256:[0-9a-f]{64}: wrong-digest/m,
  ],
] as readonly (readonly [string, (folder: string) => unknown, RegExp])[]) {
  test(what, async () => {
    const folder = await mkdtemp(join(work, 'data-'));
    await cp(larder.dataDirectory, folder, { recursive: true, preserveTimestamps: true });
    await damage(folder);
    const { code, told } = await check(folder);
    assert.equal(code, 1, told);
    assert.match(told, expected);
  });
}

test('on a terminal, those that read everything draw a bar', async () => {
  for (const command of [['check', '--deep'], ['scrub']]) {
    const { code, told } = await larderOf([...command, '--data', larder.dataDirectory], { isTTY: true });
    assert.equal(code, 0, told);
    assert.match(stripVTControlCharacters(told), /reading █{40} 100% {2}(\d\S+ kB) of \1/);
  }
});
