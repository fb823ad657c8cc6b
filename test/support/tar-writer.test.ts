import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from './run.ts';
import { type TarEntry, writeTar } from './tar-writer.ts';

const LONG = `${'n'.repeat(120)}/${'m'.repeat(120)}`;
const ENTRIES: TarEntry[] = [
  { name: 'a', type: 'file', content: Buffer.from('hello'), mtime: '1.5' },
  { name: LONG, type: 'file', content: Buffer.from('pax name') },
  { name: `gnu-${LONG}`, type: 'file', content: Buffer.from('gnu name'), dialect: 'gnu', mtime: '-5' },
  {
    name: 'old',
    type: 'file',
    sparse: { size: 9000, format: 'gnu', parts: [{ offset: 8192, data: Buffer.alloc(512, 'x') }] },
  },
  {
    name: 'new',
    type: 'file',
    sparse: { size: 9000, format: 'pax-1.0', parts: [{ offset: 512, data: Buffer.alloc(512, 'y') }] },
  },
];

test('GNU tar reads what the writer writes', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'larder-tar-'));
  try {
    await writeFile(join(dir, 'a.tar'), writeTar(ENTRIES));
    await run('tar', ['--warning=no-timestamp', '-C', dir, '-xf', join(dir, 'a.tar')]);
    assert.equal((await stat(join(dir, 'a'))).mtimeMs, 1500);
    assert.equal(await readFile(join(dir, LONG), 'utf8'), 'pax name');
    assert.equal(await readFile(join(dir, `gnu-${LONG}`), 'utf8'), 'gnu name');
    assert.equal((await stat(join(dir, `gnu-${LONG}`))).mtimeMs, -5000);
    for (const [name, at, byte] of [
      ['old', 8192, 'x'],
      ['new', 512, 'y'],
    ] as const) {
      const content = await readFile(join(dir, name));
      assert.equal(content.length, 9000);
      assert.equal(
        content.findIndex((value) => value !== 0),
        at,
      );
      assert.equal(content.toString('latin1', at, at + 1), byte);
    }
  } finally {
    await rm(dir, { recursive: true });
  }
});
