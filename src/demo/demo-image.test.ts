import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { skipWithout } from '../../test/support/requirements.ts';
import { type AssembledImage, assembleImage } from './assemble-image.ts';
import { type LoopbackRegistry, startLoopbackRegistry } from './loopback-registry.ts';
import { entrypointOf, runEntrypoint } from './run-entrypoint.ts';

const { signal } = new AbortController();
let folder: string;
let image: AssembledImage;
let registry: LoopbackRegistry;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'larder-demo-test-'));
  image = await assembleImage(folder, signal);
  registry = await startLoopbackRegistry(image, { repository: 'a/b', tag: '1' });
});
after(async () => {
  await registry.close();
  await rm(folder, { recursive: true });
});

test('the registry serves the manifest by tag, and each document and layer under its digest', async () => {
  const url = `http://${registry.host}/v2/a/b`;
  const byTag = await fetch(`${url}/manifests/1`);
  assert.equal(byTag.headers.get('docker-content-digest'), image.manifest.digest);
  const manifest = JSON.parse(await byTag.text());
  assert.equal(manifest.layers.length, 2);
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    const bytes = await (await fetch(`${url}/blobs/${digest}`)).bytes();
    assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest);
  }
  const [layer] = manifest.layers;
  assert.ok(layer);
  const head = await fetch(`${url}/blobs/${layer.digest}`, { method: 'HEAD' });
  assert.equal(head.headers.get('content-length'), `${layer.size}`);
  assert.equal((await fetch(`${url}/blobs/sha256:0`)).status, 404);
});

test('a download goes on where it broke off', async () => {
  const [config] = image.blobs;
  assert.ok(config?.content);
  const url = `http://${registry.host}/v2/a/b/blobs/${config.digest}`;
  const rest = await fetch(url, { headers: { range: 'bytes=10-' } });
  assert.equal(rest.status, 206);
  assert.deepEqual(Buffer.from(await rest.bytes()), config.content.subarray(10));
  assert.equal((await fetch(url, { headers: { range: `bytes=${config.bytes}-` } })).status, 416);
});

test('the image runs: its own libraries, its own Node, no network', { skip: skipWithout({ root: true }) }, async () => {
  const root = join(folder, 'root');
  await mkdir(root);
  for (const blob of image.blobs)
    if (blob.path)
      execFileSync('tar', ['-x', blob.mediaType.endsWith('zstd') ? '--zstd' : '-z', '-f', blob.path, '-C', root]);
  const config = image.blobs[0]?.content?.toString() ?? '';
  const lines: string[] = [];
  assert.equal(await runEntrypoint({ root, config, onLine: (line) => lines.push(line), signal }), 0);
  assert.equal(lines[0], `Hello from inside the image: node ${process.version} on linux/${process.arch}`);
});

test('an image says what it runs, or nothing', () => {
  const config = JSON.stringify({ config: { Entrypoint: ['/a'], Cmd: ['b'], WorkingDir: '/w', Env: ['A=1'] } });
  assert.deepEqual(entrypointOf(config), { command: ['/a', 'b'], env: ['A=1'], workingDirectory: '/w' });
  assert.deepEqual(entrypointOf('{"config":null}'), { command: [], env: [], workingDirectory: '/' });
});
