/**
 * The store as containerd's own EROFS snapshotter reads it (`layer_content_caches`, from containerd 2.4 on). The layout is
 * checked always; the rest runs where such a containerd is: no suite of Debian has one yet.
 */
import assert from 'node:assert/strict';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createContainerd, unmountBelow } from '../support/containerd.ts';
import { CONTAINERD_RELEASES, containerdTools, containerdVersion } from '../support/containerd-releases.ts';
import { type CountingProxy, startCountingProxy } from '../support/counting-proxy.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { type Layer, writeImages } from '../support/oci-layout.ts';
import { pushImage } from '../support/push-image.ts';
import { requireTools, skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { addShellLayer, addTarLayer } from '../support/shell-image.ts';

const BUILD_TIMEOUT_MS = 60_000;
const needs = { root: true, tools: ['docker-registry', 'fsck.erofs', 'ldd'], filesystems: ['erofs', 'overlay'] };
/** Where EROFS has its magic number, and that (fs/erofs/erofs_fs.h). */
const [MAGIC_OFFSET, MAGIC] = [1024, 0xe0f5e1e2];

describe('the store as layer_content_caches of containerd', { skip: skipWithout(needs) }, () => {
  let home: string;
  let registry: DockerRegistry;
  let proxy: CountingProxy;
  let larder: LarderServer;
  let layers: Layer[];
  let reference: string;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'larder-ctd-'));
    registry = await startDockerRegistry({ dir: join(home, 'registry') });
    proxy = await startCountingProxy(registry.host);
    larder = await startLarder({ parent: home });
    const layout = join(home, 'layout');
    const text = [
      { name: 'texts', type: 'directory' as const },
      { name: 'texts/one', type: 'file' as const, content: Buffer.from('first\n') },
    ];
    layers = [await addShellLayer(layout), await addTarLayer(layout, text)];
    await writeImages(layout, [{ tag: 'cached', layers }]);
    reference = await pushImage(layout, 'cached', { host: proxy.host });
    await createImageCacheClient(larder.endpoint).createReady([reference], BUILD_TIMEOUT_MS);
    proxy.take();
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    if (!home) return;
    unmountBelow(home);
    await rm(home, { recursive: true, force: true });
  });

  const store = () => join(larder.dataDirectory, 'layers');

  test('each layer is an EROFS file at sha256/<2 hex>/<diffID>.erofs', async () => {
    for (const { diffId } of layers) {
      const hex = diffId.slice('sha256:'.length);
      const path = join(store(), 'sha256', hex.slice(0, 2), `${hex}.erofs`);
      await access(path);
      assert.equal((await readFile(path)).readUInt32LE(MAGIC_OFFSET), MAGIC);
      await run('fsck.erofs', [path]);
    }
  });

  test('containerd’s EROFS snapshotter downloads no layer, and the container runs', async (t) => {
    // The newest of those that the tests have.
    const release = CONTAINERD_RELEASES.at(-1);
    assert.ok(release);
    if (!requireTools(t, containerdTools(release))) return;
    const { major, minor, text } = await containerdVersion(release);
    if (major < 2 || (major === 2 && minor < 4)) return t.skip(`needs containerd 2.4, and ${release.name} is ${text}`);
    const snapshotterSocket = join(home, 'none.sock');
    const containerd = await createContainerd({ home, release, snapshotterSocket, layerContentCache: store() });
    await containerd.start();
    try {
      await containerd.ctr('images', 'pull', '--plain-http', '--snapshotter', 'erofs', reference);
      const blobs = proxy.take().filter((request) => request.includes('/blobs/'));
      assert.equal(blobs.length, 1, blobs.join('\n'));
      const id = `larder-erofs-${process.pid}`;
      const args = ['run', '--rm', '--snapshotter', 'erofs', reference, id, '/bin/cat', '/texts/one'];
      assert.equal(await containerd.ctr(...args), 'first\n');
    } finally {
      await containerd.end();
    }
  });
});
