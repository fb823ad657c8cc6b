/** Two containers of one image, run by containerd, have its pages in memory once. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createContainerd, createSnapshotter, unmountBelow } from '../support/containerd.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { startLarder } from '../support/larder-server.ts';
import { writeImages } from '../support/oci-layout.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { addShellLayer, addTarLayer } from '../support/shell-image.ts';

const BUILD_TIMEOUT_MS = 60_000;
const BIG_BYTES = 8 << 20;
const PAGE_BYTES = 4096;
const needs = {
  root: true,
  tools: ['docker-registry', 'containerd', 'ctr', 'runc', 'ldd', 'fincore'],
  filesystems: ['erofs', 'overlay'],
};

describe('containerd', { skip: skipWithout(needs) }, () => {
  test('two containers of one image have its pages in memory once', async () => {
    await using cleanup = new AsyncDisposableStack();
    const home = await mkdtemp(join(tmpdir(), 'larder-ctd-'));
    cleanup.defer(async () => {
      unmountBelow(home);
      await rm(home, { recursive: true, force: true });
    });
    const registry = cleanup.use(await startDockerRegistry());
    const larder = cleanup.use(await startLarder({ parent: home }));
    const layout = join(home, 'layout');
    const big = { name: 'big', type: 'file', mode: 0o644, content: randomBytes(BIG_BYTES) } as const;
    const layers = [await addShellLayer(layout), await addTarLayer(layout, [big])];
    await writeImages(layout, [{ tag: 'big', layers, config: { Cmd: ['sleep', '600'] } }]);
    const reference = await pushImage(layout, 'big', registry);
    await createImageCacheClient(larder.endpoint).createReady([reference], BUILD_TIMEOUT_MS);

    const snapshotter = createSnapshotter({ home, dataDirectory: larder.dataDirectory });
    cleanup.defer(() => snapshotter.end());
    await snapshotter.start();
    const containerd = await createContainerd({ home, snapshotterSocket: snapshotter.socket });
    cleanup.defer(() => containerd.end());
    await containerd.start();
    await containerd.ctr('images', 'pull', '--plain-http', '--snapshotter', 'larder', reference);
    const files: string[] = [];
    for (const name of ['one', 'other']) {
      const id = `larder-pages-${process.pid}-${name}`;
      await containerd.ctr('run', '--detach', '--snapshotter', 'larder', reference, id);
      cleanup.defer(async () => {
        await containerd.ctr('task', 'rm', '--force', id);
        await containerd.ctr('container', 'rm', id);
      });
      const tasks = await containerd.ctr('task', 'ls');
      const pid = new RegExp(`^${id} +(\\d+) `, 'm').exec(tasks)?.[1];
      assert.ok(pid, tasks);
      files.push(`/proc/${pid}/root/big`);
    }
    const [first = '', second = ''] = files;
    const resident = async () => Number(await run('fincore', ['--noheadings', '--output', 'PAGES', second]));
    assert.equal(await resident(), 0);
    assert.ok((await readFile(first)).equals(big.content));
    assert.equal(await resident(), BIG_BYTES / PAGE_BYTES, 'what one container read is there for the other');
  });
});
