import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadServerConfig, readConfigFile } from './index.ts';

let path: string;
before(async () => {
  path = join(await mkdtemp(join(tmpdir(), 'larder-config-')), 'larder.json');
});
after(() => rm(join(path, '..'), { recursive: true }));

const flags = { dataDirectory: '/data', defaultRegionId: 'r-1' };

test('the environment wins over the file, and a flag over both', async () => {
  const text = { listen: '0.0.0.0:1', region: 'from-file', plainHttpRegistries: ['a:5000', 'b'], maxBuildsAtOnce: 3 };
  await writeFile(path, JSON.stringify(text));
  const file = await readConfigFile(path);
  const config = loadServerConfig({ LARDER_REGION: 'from-env' }, { ...flags, file, listen: '127.0.0.1:2' });
  assert.equal(config.regionId, 'from-env');
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 2 });
  assert.deepEqual(config.plainHttpRegistries, ['a:5000', 'b']);
  assert.equal(config.maxBuildsAtOnce, 3);
});

test('a file that is none, and names that there are not, are told without the content', async () => {
  await assert.rejects(readConfigFile(join(path, '../none.json')), { code: 'config.file' });
  await writeFile(path, '{"accessKeySecret": "hidden", oops');
  await assert.rejects(readConfigFile(path), (error: Error) => !`${error}${String(error.cause)}`.includes('hidden'));
  await writeFile(path, '{"accessKeySecret": null}');
  await assert.rejects(readConfigFile(path), /wrong at accessKeySecret/);
  await writeFile(path, '{"lisen": "x"}');
  const file = await readConfigFile(path);
  assert.throws(() => loadServerConfig({}, { ...flags, file }), /LARDER_LISEN/);
});
