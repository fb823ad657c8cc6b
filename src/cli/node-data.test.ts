import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Io } from './io.ts';
import { layersDirectory } from './node-data.ts';

const ioOf = (env: Record<string, string>): Io => ({
  env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: new AbortController().signal,
});

test('the folder with the layers: the option, the environment, the profile of a server, else what is the default', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'larder-layers-'));
  t.after(() => rm(folder, { recursive: true }));
  const LARDER_PROFILE = join(folder, 'profile.json');
  const node = { LARDER_NODE_DATA: '/node', LARDER_PROFILE };
  assert.equal(await layersDirectory(ioOf({ ...node, LARDER_DATA: '/server' }), '/option'), '/option');
  assert.equal(await layersDirectory(ioOf({ ...node, LARDER_DATA: '/server' }), undefined), '/server');
  assert.equal(await layersDirectory(ioOf(node), undefined), '/node');
  const profile = { endpoint: 'http://127.0.0.1:1', accessKeyId: 'a', accessKeySecret: 'b', regionId: 'r' };
  await writeFile(LARDER_PROFILE, JSON.stringify({ ...profile, dataDirectory: '/of-profile' }), { mode: 0o600 });
  assert.equal(await layersDirectory(ioOf({ LARDER_PROFILE }), undefined), '/of-profile');
});
