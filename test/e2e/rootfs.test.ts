/** `larder rootfs`: a container really runs from a bundle with runc, and what it leaves is undone. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { writeImages } from '../support/oci-layout.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { addShellLayer, addTarLayer } from '../support/shell-image.ts';

const BUILD_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 20_000;
const BIG_BYTES = 8 << 20;
const PAGE_BYTES = 4096;
const TAG = 'bundle';
/** What of the image config a container and its bundle show. */
const CONFIG = {
  User: 'app',
  Env: ['PATH=/bin', 'GREETING=hello from the image'],
  Entrypoint: ['/bin/sh', '-c'],
  Cmd: ['echo "$GREETING"; id -u; id -g; id -G; pwd; echo written > new; cat new'],
  WorkingDir: '/data',
  ExposedPorts: { '443/tcp': {}, '80': {} },
  Volumes: { '/volume': {} },
  Labels: { 'com.example.label': 'of the image', 'org.opencontainers.image.author': 'a label' },
  StopSignal: 'SIGINT',
};
const skip = skipWithout({
  root: true,
  tools: ['docker-registry', 'runc', 'ldd', 'fincore'],
  filesystems: ['erofs', 'overlay'],
});

describe('a bundle of an image', { skip }, () => {
  let registry: DockerRegistry;
  let larder: LarderServer;
  let folder: string;
  let id: string;
  let reference: string;
  const path = (name: string) => join(folder, name);
  const bundle = (name: string, ...args: string[]) => larder.cli('rootfs', id, reference, path(name), ...args);
  const umount = (name: string, ...args: string[]) => larder.cli('umount', path(name), ...args);
  const runc = (...args: string[]) => run('runc', ['--root', path('runc'), ...args]);
  const runBundle = (name: string) => runc('run', '--bundle', path(name), `larder-test-${name}-${process.pid}`);
  const configOf = async (name: string) => JSON.parse(await readFile(path(`${name}/config.json`), 'utf8'));

  before(async () => {
    registry = await startDockerRegistry();
    larder = await startLarder({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
    folder = await mkdtemp(join(tmpdir(), 'larder-rootfs-'));
    const layout = path('layout');
    const layers = [
      await addShellLayer(layout),
      await addTarLayer(layout, [
        { name: 'etc', type: 'directory', mode: 0o755 },
        { name: 'etc/passwd', type: 'file', content: Buffer.from('root:x:0:0::/:/bin/sh\napp:x:1234:50::/:/bin/sh\n') },
        { name: 'etc/group', type: 'file', content: Buffer.from('staff:x:50:\nextra:x:77:app\nother:x:78:root\n') },
        { name: 'data', type: 'directory', mode: 0o755, uid: 1234 },
        { name: 'data/big', type: 'file', mode: 0o644, content: randomBytes(BIG_BYTES) },
        { name: 'volume', type: 'directory', mode: 0o777 },
        { name: 'volume/from-image', type: 'file', mode: 0o644, content: Buffer.from('kept\n') },
      ]),
    ];
    await writeImages(layout, [{ tag: TAG, layers, config: CONFIG }]);
    reference = await pushImage(layout, TAG, registry);
    id = await createImageCacheClient(larder.endpoint).createReady([reference], BUILD_TIMEOUT_MS);
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    if (folder) await rm(folder, { recursive: true });
  });

  test('runs with runc as the image says, and umount leaves an empty folder', async () => {
    const told = await bundle('web');
    assert.match(told, /runc run --bundle/);
    const expected = ['hello from the image', '1234', '50', '50 77', '/data', 'written'];
    assert.deepEqual((await runBundle('web')).trim().split('\n'), expected);
    assert.equal(await readFile(path('web/rootfs/data/new'), 'utf8'), 'written\n');
    const { annotations, hostname, process: started } = await configOf('web');
    assert.equal(hostname, 'web');
    assert.deepEqual(started.user, { uid: 1234, gid: 50, additionalGids: [77] });
    assert.equal(annotations['org.opencontainers.image.exposedPorts'], '443/tcp,80');
    assert.equal(annotations['org.opencontainers.image.stopSignal'], 'SIGINT');
    assert.equal(annotations['com.example.label'], 'of the image');
    assert.equal(annotations['org.opencontainers.image.author'], 'a label');
    await umount('web');
    assert.deepEqual(await readdir(path('web')), []);
    assert.deepEqual(await readdir(join(larder.dataDirectory, 'mounts/scratch')), []);
    assert.deepEqual(await readdir(join(larder.dataDirectory, 'mounts/run')), []);
  });

  test('arguments and an entry point of the caller’s, and what was written is kept on demand', async () => {
    await bundle('own', '--scratch', path('scratch'), '--', 'echo own > /data/own; cat /data/own');
    assert.equal(await runBundle('own'), 'own\n');
    const answer = JSON.parse(await umount('own', '--keep', '--output', 'json'));
    assert.ok(answer.Written.startsWith(path('scratch')));
    assert.equal(await readFile(join(answer.Written, 'data/own'), 'utf8'), 'own\n');
    await bundle('entry', '--entrypoint', '/bin/cat', '--', '/etc/group');
    assert.match(await runBundle('entry'), /extra:x:77:app/);
    await umount('entry');
  });

  test('a container that may not write to its root has its volumes in memory', async () => {
    await bundle(
      'ro',
      '--ro',
      '--',
      'echo x > /data/x || echo refused; cat /volume/from-image; echo y > /volume/y && cat /volume/y',
    );
    assert.equal(
      await run('sh', ['-c', `runc --root "$1" run --bundle "$2" ro-$$ 2>/dev/null`, 'sh', path('runc'), path('ro')]),
      'refused\nkept\ny\n',
    );
    await umount('ro');
  });

  test('two containers of one image have its pages in memory once', async () => {
    await bundle('a', '--', 'cat /data/big > /dev/null; stat -c %i /data/big');
    await bundle('b', '--', 'stat -c %i /data/big');
    const resident = async (name: string) =>
      Number(await run('fincore', ['--noheadings', '--output', 'PAGES', path(`${name}/rootfs/data/big`)]));
    assert.equal(await resident('b'), 0);
    const inode = await runBundle('a');
    assert.equal(await runBundle('b'), inode);
    assert.equal(await resident('b'), BIG_BYTES / PAGE_BYTES, 'what one container read is there for the other');
    // Changed by one container, the file is its own from then on, and the other's stays.
    await run('sh', ['-c', 'echo x >> "$1"', 'sh', path('a/rootfs/data/big')]);
    assert.equal((await stat(path('b/rootfs/data/big'))).size, BIG_BYTES);
    for (const name of ['a', 'b']) await umount(name);
  });

  test('a running container is not robbed of its scratch', async () => {
    await bundle('busy', '--', 'echo up > /data/up; sleep 60');
    const name = `larder-test-busy-${process.pid}`;
    const container = spawn('runc', ['--root', path('runc'), 'run', '--bundle', path('busy'), name], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => container.once('close', resolve));
    try {
      const deadlineMs = performance.now() + START_TIMEOUT_MS;
      while (!existsSync(path('busy/rootfs/data/up')) && performance.now() < deadlineMs) await sleep(20);
      await assert.rejects(umount('busy'), /a container still runs from/);
      assert.ok(existsSync(path('busy/rootfs/data/up')));
    } finally {
      await runc('kill', name, 'KILL');
      await ended;
    }
    await umount('busy');
  });

  test('a layer that was changed on the disk is refused, and taken again once it is as it was', async () => {
    const [file = ''] = (
      await run('find', [join(larder.dataDirectory, 'layers'), '-size', `+${BIG_BYTES >> 10}k`])
    ).split('\n');
    const handle = await open(file, 'r+');
    try {
      const position = BIG_BYTES / 2;
      const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, position);
      const [byte = 0] = buffer;
      await handle.write(Buffer.from([byte ^ 1]), 0, 1, position);
      await assert.rejects(bundle('changed'), /are not those that were built/);
      await assert.rejects(larder.cli('mount', id, reference, path('changed-mount')), /are not those that were built/);
      assert.deepEqual(await readdir(path('changed-mount')), []);
      await handle.write(buffer, 0, 1, position);
    } finally {
      await handle.close();
    }
    await bundle('changed');
    await umount('changed');
    assert.equal((await stat(file)).mtimeMs, 0, 'its bytes were checked again');
  });

  test('failures leave no bundle', async () => {
    await assert.rejects(bundle('none', '--entrypoint', ''), /names no command/);
    assert.deepEqual(await readdir(path('none')), []);
    await symlink('/etc', path('link'));
    await assert.rejects(bundle('link'), /is not empty/);
  });
});
