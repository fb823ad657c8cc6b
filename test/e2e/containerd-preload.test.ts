/** `larder node containerd --preload`: containers start with the registry unreachable. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Containerd,
  createContainerd,
  createSnapshotter,
  type Snapshotter,
  unmountBelow,
} from '../support/containerd.ts';
import { CONTAINERD_RELEASES, containerdTools, MAIN_CONTAINERD } from '../support/containerd-releases.ts';
import { createCri } from '../support/cri.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient, type ImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { type Layer, writeImages } from '../support/oci-layout.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { addShellLayer, addTarLayer } from '../support/shell-image.ts';

const BUILD_TIMEOUT_MS = 60_000;
const PRELOAD_TIMEOUT_MS = 30_000;
const POLL_MS = 50;
const NAMESPACES = ['default', 'k8s.io'];
const needs = { root: true, tools: ['docker-registry', 'runc', 'ldd'], filesystems: ['erofs', 'overlay'] };
let containers = 0;

for (const release of CONTAINERD_RELEASES) {
  const skip = skipWithout({ ...needs, tools: [...needs.tools, ...containerdTools(release)] });
  describe(`images preloaded into ${release.name}`, { skip }, () => {
    let home: string;
    let larder: LarderServer;
    let caches: ImageCacheClient;
    let snapshotter: Snapshotter;
    let containerd: Containerd;

    before(async () => {
      home = await mkdtemp(join(tmpdir(), 'larder-ctd-'));
      larder = await startLarder({ parent: home });
      caches = createImageCacheClient(larder.endpoint);
      const namespaces = NAMESPACES.flatMap((name) => ['--namespace', name]);
      const args = ['--preload', '--containerd-socket', join(home, 'c.sock'), ...namespaces];
      snapshotter = createSnapshotter({ home, dataDirectory: larder.dataDirectory, args });
      containerd = await createContainerd({ home, release, snapshotterSocket: snapshotter.socket });
    });
    after(async () => {
      await containerd?.end();
      await snapshotter?.end();
      await larder?.[Symbol.asyncDispose]();
      if (!home) return;
      unmountBelow(home);
      await rm(home, { recursive: true, force: true });
    });

    /** Makes caches of images that have these layers, and ends the registry for good. */
    async function cacheAndForget(images: Record<string, (layout: string) => Promise<Layer[]>>): Promise<string[]> {
      await using registry = await startDockerRegistry();
      const layout = await mkdtemp(join(home, 'layout-'));
      const references: string[] = [];
      for (const [tag, layers] of Object.entries(images)) {
        await writeImages(layout, [{ tag, layers: await layers(layout), config: { Cmd: ['/bin/cat', '/text'] } }]);
        const reference = await pushImage(layout, tag, { host: registry.host });
        await caches.createReady([reference], BUILD_TIMEOUT_MS);
        references.push(reference);
      }
      return references;
    }

    const withText = (text: string) => async (layout: string) => [
      await addShellLayer(layout),
      await addTarLayer(layout, [{ name: 'text', type: 'file', content: Buffer.from(text) }]),
    ];

    async function untilKnown(namespace: string, reference: string): Promise<void> {
      const deadlineMs = Date.now() + PRELOAD_TIMEOUT_MS;
      for (;;) {
        const names = (await containerd.ctr('--namespace', namespace, 'images', 'ls', '-q')).split('\n');
        if (names.includes(reference)) return;
        if (Date.now() > deadlineMs) throw new Error(`${reference} is not in ${namespace}:\n${snapshotter.log()}`);
        await sleep(POLL_MS);
      }
    }

    async function digestOf(reference: string): Promise<string> {
      const line = (await containerd.ctr('images', 'ls', `name==${reference}`)).split('\n')[1] ?? '';
      return /sha256:[0-9a-f]{64}/.exec(line)?.[0] ?? assert.fail(`no digest in ${line}`);
    }

    const runIn = (namespace: string, reference: string) => {
      const id = `larder-preload-${process.pid}-${containers++}`;
      return containerd.ctr('--namespace', namespace, 'run', '--rm', '--snapshotter', 'larder', reference, id);
    };

    test('an image starts in every namespace, and again after containerd has collected', async () => {
      const [reference = ''] = await cacheAndForget({ first: withText('first\n') });
      // The snapshotter waits for containerd, which comes later.
      await snapshotter.start();
      await containerd.start();
      for (const namespace of NAMESPACES) {
        await untilKnown(namespace, reference);
        assert.equal(await runIn(namespace, reference), 'first\n');
      }
      // Removing another image makes containerd collect what nothing refers to.
      const [other = ''] = await cacheAndForget({ second: withText('second\n') });
      await untilKnown('default', other);
      assert.equal(await runIn('default', other), 'second\n');
      await containerd.ctr('images', 'rm', '--sync', other);
      for (const namespace of NAMESPACES) assert.equal(await runIn(namespace, reference), 'first\n');
    });

    test('what an image that was removed was is not made again', async () => {
      const names = (await containerd.ctr('images', 'ls', '-q')).split('\n').filter(Boolean);
      assert.equal(names.length, 1);
    });

    test('Kubernetes sees the image, by tag and by digest', async () => {
      const [reference = ''] = await cacheAndForget({ seen: withText('seen\n') });
      await untilKnown('k8s.io', reference);
      const cri = createCri(containerd.address);
      try {
        const deadlineMs = Date.now() + PRELOAD_TIMEOUT_MS;
        for (;;) {
          const image = (await cri.list()).find(({ repoTags }) => repoTags.includes(reference));
          if (image?.repoDigests.some((digest) => digest.includes('/test@sha256:'))) break;
          assert.ok(Date.now() < deadlineMs, JSON.stringify(await cri.list()));
          await sleep(POLL_MS);
        }
      } finally {
        cri.close();
      }
    });

    // The rest is not containerd's affair.
    if (release !== MAIN_CONTAINERD) return;

    test('an update of the cache moves the name to the new image', async () => {
      await using registry = await startDockerRegistry();
      const layout = await mkdtemp(join(home, 'layout-'));
      const push = async (text: string) => {
        await writeImages(layout, [
          { tag: 'moves', layers: await withText(text)(layout), config: { Cmd: ['/bin/cat', '/text'] } },
        ]);
        return pushImage(layout, 'moves', { host: registry.host });
      };
      const reference = await push('old\n');
      const id = await caches.createReady([reference], BUILD_TIMEOUT_MS);
      await untilKnown('default', reference);
      const old = await digestOf(reference);
      await push('new\n');
      await larder.cli('update', id, '--image', reference, '--wait');
      const deadlineMs = Date.now() + PRELOAD_TIMEOUT_MS;
      while ((await digestOf(reference)) === old) {
        assert.ok(Date.now() < deadlineMs, snapshotter.log());
        await sleep(POLL_MS);
      }
      assert.equal(await runIn('default', reference), 'new\n');
      // Who read the name before it moved reads the content only now, after a collection.
      await containerd.ctr('leases', 'create', '--id', 'collect');
      await containerd.ctr('leases', 'rm', '--sync', 'collect');
      const { config } = JSON.parse(await containerd.ctr('content', 'get', old));
      await containerd.ctr('content', 'get', config.digest);
    });

    test('it goes on once containerd is back', async () => {
      await containerd.end();
      const [reference = ''] = await cacheAndForget({ later: withText('later\n') });
      await containerd.start();
      await untilKnown('default', reference);
      assert.equal(await runIn('default', reference), 'later\n');
    });
  });
}
