/** `larder node containerd` under Debian's containerd: pulls that download no layer, containers that run on held layers. */
import assert from 'node:assert/strict';
import { appendFile, copyFile, mkdtemp, readdir, rename, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import {
  type Containerd,
  createContainerd,
  createSnapshotter,
  mountsBelow,
  type Snapshotter,
  unmountBelow,
} from '../support/containerd.ts';
import { type CountingProxy, startCountingProxy } from '../support/counting-proxy.ts';
import { type Cri, createCri } from '../support/cri.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient, type ImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { type Image, type Layer, MANIFEST, writeImages } from '../support/oci-layout.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { addShellLayer, addTarLayer, shellEntries } from '../support/shell-image.ts';
import { until } from '../support/until.ts';

const BUILD_TIMEOUT_MS = 60_000;
/** runc knows containers by their names, whichever containerd they are of. */
let containers = 0;
const container = () => `larder-test-${process.pid}-${containers++}`;
const manifestSchema = z.object({ config: z.object({ digest: z.string() }) });
const needs = {
  root: true,
  tools: ['docker-registry', 'containerd', 'ctr', 'runc', 'ldd'],
  filesystems: ['erofs', 'overlay'],
};

describe('containerd with larder as its snapshotter', { skip: skipWithout(needs) }, () => {
  let home: string;
  let layout: string;
  let registry: DockerRegistry;
  let proxy: CountingProxy;
  let larder: LarderServer;
  let caches: ImageCacheClient;
  let snapshotter: Snapshotter;
  let containerd: Containerd;
  let cri: Cri;
  let shell: Layer;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'larder-ctd-'));
    layout = join(home, 'layout');
    registry = await startDockerRegistry({ dir: join(home, 'registry') });
    proxy = await startCountingProxy(registry.host);
    larder = await startLarder({ parent: home });
    caches = createImageCacheClient(larder.endpoint);
    shell = await addShellLayer(layout);
    snapshotter = createSnapshotter({ home, dataDirectory: larder.dataDirectory });
    await snapshotter.start();
    containerd = await createContainerd({ home, snapshotterSocket: snapshotter.socket });
    await containerd.start();
    cri = createCri(containerd.address);
  });
  after(async () => {
    cri?.close();
    await containerd?.end();
    await snapshotter?.end();
    await larder?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    if (!home) return;
    unmountBelow(home);
    await rm(home, { recursive: true, force: true });
  });

  const ctr = (...args: string[]) => containerd.ctr('--namespace', 'k8s.io', ...args);

  /** A layer with one file; layers of the same name and text are the same. */
  const textLayer = (name: string, text: string): Promise<Layer> =>
    addTarLayer(layout, [
      { name: 'texts', type: 'directory' },
      { name: `texts/${name}`, type: 'file', content: Buffer.from(text) },
    ]);

  async function push(image: Image): Promise<string> {
    await writeImages(layout, [image]);
    return pushImage(layout, image.tag, { host: proxy.host });
  }

  async function pushAndCache(image: Image): Promise<string> {
    const reference = await push(image);
    await caches.createReady([reference], BUILD_TIMEOUT_MS);
    return reference;
  }

  /** Pulls as the kubelet does, and returns what was asked of the registry. */
  async function pull(reference: string): Promise<string[]> {
    proxy.take();
    await cri.pull(reference);
    return proxy.take();
  }

  const blobRequests = (requests: readonly string[]) => requests.filter((each) => each.includes('/blobs/'));

  /** Runs a shell command in a container of its own and returns what it prints. */
  const runShell = (reference: string, command: string) =>
    ctr('run', '--rm', '--snapshotter', 'larder', reference, container(), '/bin/sh', '-c', command);

  test('an image that is held: the registry sees manifest and config, and the container runs', async () => {
    const reference = await pushAndCache({ tag: 'held', layers: [shell, await textLayer('one', 'first\n')] });
    const requests = await pull(reference);
    assert.equal(blobRequests(requests).length, 1, requests.join('\n'));
    assert.ok(requests.length <= 3, requests.join('\n'));
    const printed = await runShell(reference, 'cat texts/one; stat -c "%a %u %g" /; echo new > texts/two; ls texts');
    assert.equal(printed, 'first\n751 0 5\none\ntwo\n');
    // What a container writes is its own.
    assert.equal(await runShell(reference, 'ls texts'), 'one\n');
    assert.deepEqual(blobRequests(await pull(reference)), []);
  });

  test('an image that is not held is downloaded and unpacked', async () => {
    const layers = [await addTarLayer(layout, await otherShell()), await textLayer('plain', 'unpacked\n')];
    const reference = await push({ tag: 'plain', layers });
    assert.equal(blobRequests(await pull(reference)).length, 3);
    assert.equal(await runShell(reference, 'cat texts/plain'), 'unpacked\n');
  });

  test('held layers below and above unpacked ones', async () => {
    const [low, middle, high] = [
      await textLayer('m', 'low\n'),
      await textLayer('m', 'middle\n'),
      await textLayer('h', 'high\n'),
    ];
    await pushAndCache({ tag: 'mixed-low', layers: [shell, low] });
    const two = await push({ tag: 'mixed-two', layers: [shell, low, middle] });
    assert.deepEqual(blobsOf(await pull(two)).toSorted(), [middle.digest, await configOf('mixed-two')].toSorted());
    assert.equal(await runShell(two, 'cat texts/m'), 'middle\n');
    const three = await pushAndCache({ tag: 'mixed-three', layers: [shell, low, middle, high] });
    assert.equal(blobRequests(await pull(three)).length, 1);
    assert.equal(await runShell(three, 'cat texts/m texts/h; stat -c %a /'), 'middle\nhigh\n751\n');
  });

  test('127 layers', async () => {
    const others = Array.from({ length: 126 }, (_, place) => textLayer(`${place}`, `${place}\n`));
    const reference = await pushAndCache({ tag: 'many', layers: [shell, ...(await Promise.all(others))] });
    assert.equal(blobRequests(await pull(reference)).length, 1);
    const printed = await runShell(reference, 'ls texts; cat texts/125; stat -c %a /');
    assert.equal(printed.split('\n').length, 126 + 3);
    assert.deepEqual(printed.split('\n').slice(-3), ['125', '751', '']);
  });

  test('a second namespace gets the same layers', async () => {
    const reference = await pushAndCache({ tag: 'shared', layers: [shell, await textLayer('s', 'shared\n')] });
    await pull(reference);
    const mounted = mountsBelow(join(snapshotter.stateDirectory, 'l')).length;
    // ctr of 1.6 downloads layers first, and unpacks them only where there is no snapshot.
    const other = (...args: string[]) => containerd.ctr('--namespace', 'other', ...args);
    await other('images', 'pull', '--snapshotter', 'larder', reference);
    const args = ['run', '--rm', '--snapshotter', 'larder', reference, container(), '/bin/cat', '/texts/s'];
    assert.equal(await other(...args), 'shared\n');
    assert.equal(mountsBelow(join(snapshotter.stateDirectory, 'l')).length, mounted);
  });

  test('ctr images pull unpacks nothing that stays: containers run on the held blobs', async () => {
    const layers = [shell, await textLayer('p', 'pulled\n'), await textLayer('q', 'on top\n')];
    const reference = await pushAndCache({ tag: 'pulled', layers });
    const other = (...args: string[]) => containerd.ctr('--namespace', 'pulled', ...args);
    const folder = join(snapshotter.stateDirectory, 'l');
    const earlier = await readdir(folder);
    await other('images', 'pull', '--snapshotter', 'larder', reference);
    const snapshots = await readdir(folder);
    const added = snapshots.filter((name) => !earlier.includes(name)).map((name) => join(folder, name));
    assert.deepEqual(
      added.filter((path) => !mountsBelow(folder).includes(path)),
      [],
      'every layer is a mounted blob',
    );
    const args = ['run', '--rm', '--snapshotter', 'larder', reference, container(), '/bin/cat', '/texts/p', '/texts/q'];
    assert.equal(await other(...args), 'pulled\non top\n');
    // Again, for the kubelet: they are the same.
    const asked = blobsOf(await pull(reference));
    assert.deepEqual(
      layers.filter(({ digest }) => asked.includes(digest)),
      [],
    );
    // What the container had goes with containerd's next collection.
    await until('no snapshot but those of layers', async () => isDeepStrictEqual(await readdir(folder), snapshots));
    assert.equal(await runShell(reference, 'cat texts/p; stat -c "%a %u %g" /'), 'pulled\n751 0 5\n');
    // Once the other namespace has let go of it, it goes on.
    await removeImages('pulled');
    assert.equal(await runShell(reference, 'cat texts/q'), 'on top\n');
  });

  test('kill −9 of snapshotter and containerd in any order: containers go on, everything works', async () => {
    const reference = await pushAndCache({ tag: 'killed', layers: [shell, await textLayer('k', 'alive\n')] });
    await pull(reference);
    const long = container();
    await ctr('run', '--detach', '--snapshotter', 'larder', reference, long, '/bin/sleep', '600');
    const exec = (id: string) => ctr('tasks', 'exec', '--exec-id', id, long, '/bin/cat', '/texts/k');
    const [s, c] = [snapshotter, containerd];
    let round = 0;
    for (const order of [[s], [c], [s, c], [c, s]]) {
      for (const each of order) await each.end('SIGKILL');
      for (const each of order.toReversed()) await each.start();
      await containerd.untilConnected();
      assert.equal(await exec(`e${round++}`), 'alive\n');
      assert.equal(await runShell(reference, 'cat texts/k'), 'alive\n');
      const next = await pushAndCache({ tag: `killed-${round}`, layers: [shell, await textLayer('k', `${round}\n`)] });
      assert.equal(blobRequests(await pull(next)).length, 1);
      assert.equal(await runShell(next, 'cat texts/k'), `${round}\n`);
    }
    await ctr('tasks', 'delete', '--force', long);
    await ctr('containers', 'delete', long);
  });

  test('after a reboot the layers are mounted again', async () => {
    const reference = await pushAndCache({ tag: 'reboot', layers: [shell, await textLayer('r', 'again\n')] });
    await pull(reference);
    await containerd.end();
    await snapshotter.end();
    unmountBelow(snapshotter.stateDirectory);
    await snapshotter.start();
    await containerd.start();
    await containerd.untilConnected();
    assert.equal(await runShell(reference, 'cat texts/r'), 'again\n');
  });

  test('an image outlives its cache on the server', async () => {
    const layer = await textLayer('gone', 'still here\n');
    const reference = await push({ tag: 'outlives', layers: [shell, layer] });
    const id = await caches.createReady([reference], BUILD_TIMEOUT_MS);
    await pull(reference);
    await caches.delete(id);
    await rm(blobFile(layer), { force: true });
    await snapshotter.end();
    unmountBelow(snapshotter.stateDirectory);
    await snapshotter.start();
    await containerd.untilConnected();
    assert.equal(await runShell(reference, 'cat texts/gone'), 'still here\n');
  });

  test('a blob that was changed on the disk is not used', async () => {
    const layer = await textLayer('c', 'changed\n');
    const reference = await pushAndCache({ tag: 'changed', layers: [shell, layer] });
    await pull(reference);
    assert.equal(await runShell(reference, 'cat texts/c'), 'changed\n');
    // Touched, but the same: its bytes are read, and it is used.
    await utimes(blobFile(layer), 1, 1);
    assert.equal(await runShell(reference, 'cat texts/c'), 'changed\n');
    const copy = join(home, 'copy.erofs');
    await copyFile(blobFile(layer), copy);
    await appendFile(blobFile(layer), 'x');
    await assert.rejects(runShell(reference, 'cat texts/c'), /are not those that were built/);
    // Built again, it is taken from the new file.
    await utimes(copy, 0, 0);
    await rename(copy, blobFile(layer));
    assert.equal(await runShell(reference, 'cat texts/c'), 'changed\n');
    await appendFile(blobFile(layer), 'x');
    await assert.rejects(runShell(reference, 'cat texts/c'), /are not those that were built/);
    // Somebody who has not pulled yet downloads the layer.
    await removeImages('k8s.io');
    assert.ok(blobsOf(await pull(reference)).includes(layer.digest));
    assert.equal(await runShell(reference, 'cat texts/c'), 'changed\n');
  });

  test('once containerd has let go of all images nothing is left', async () => {
    await removeImages('other');
    await removeImages('k8s.io');
    assert.deepEqual(mountsBelow(snapshotter.stateDirectory), []);
    for (const folder of ['l', 'w', 'b', 'trash']) {
      assert.deepEqual(await readdir(join(snapshotter.stateDirectory, folder)), [], folder);
    }
  });

  async function removeImages(namespace: string): Promise<void> {
    const names = (await containerd.ctr('--namespace', namespace, 'images', 'ls', '-q')).split('\n').filter(Boolean);
    if (names.length > 0) await containerd.ctr('--namespace', namespace, 'images', 'rm', '--sync', ...names);
  }

  const blobsOf = (requests: readonly string[]) => blobRequests(requests).map((each) => each.split('/').at(-1) ?? '');

  async function configOf(tag: string): Promise<string> {
    const url = `http://${registry.host}/v2/test/manifests/${tag}`;
    const manifest = manifestSchema.parse(await (await fetch(url, { headers: { accept: MANIFEST } })).json());
    return manifest.config.digest;
  }

  function blobFile(layer: Layer): string {
    const hex = layer.diffId.slice('sha256:'.length);
    return join(larder.dataDirectory, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`);
  }

  /** The same programs in a layer that no cache has. */
  async function otherShell() {
    return [...(await shellEntries()), { name: 'other', type: 'file' as const, content: Buffer.from('other') }];
  }
});
