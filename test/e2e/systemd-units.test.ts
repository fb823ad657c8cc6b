/** The units in deploy/ as systemd reads them: what it does not know it would leave out with a warning that nobody sees. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { skipWithout } from '../support/requirements.ts';

const UNITS = join(import.meta.dirname, '../../deploy/systemd');
const TIMEOUT_MS = 30_000;

test('systemd-analyze has nothing to say about the units', {
  skip: skipWithout({ tools: ['systemd-analyze'] }),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'larder-units-'));
  t.after(() => rm(folder, { recursive: true }));
  const verify = async (name: string, change: (unit: string) => string) => {
    const unit = await readFile(join(UNITS, name), 'utf8');
    const path = join(folder, name);
    // A command that is not installed here would be the first thing it tells.
    await writeFile(
      path,
      change(unit)
        .replaceAll('=/usr/local/bin/larder ', '=/bin/true ')
        .replaceAll('=-/usr/local/bin/larder ', '=-/bin/true '),
    );
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    assert.equal(status, 0, stderr);
    return stdout + stderr;
  };
  const names = await readdir(UNITS);
  assert.equal(names.length, 4);
  for (const name of names) assert.equal(await verify(name, (unit) => unit), '', name);
  const spoilt = await verify('larder-node.service', (unit) => unit.replace('KillMode=', 'KillMod='));
  assert.match(spoilt, /Unknown key/);
});
