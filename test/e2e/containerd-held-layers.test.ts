/** The blobs that a node holds under `larder node containerd`: many of them, after a reboot, removed or changed on the disk. */
import assert from 'node:assert/strict';
import { appendFile, copyFile, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { unmountBelow } from '../support/containerd.ts';
import { blobRequests, type ContainerdNode, startContainerdNode } from '../support/containerd-node.ts';
import { containerdTools, MAIN_CONTAINERD } from '../support/containerd-releases.ts';
import type { Layer } from '../support/oci-layout.ts';
import { skipWithout } from '../support/requirements.ts';

const BUILD_TIMEOUT_MS = 60_000;
const needs = {
  root: true,
  tools: ['docker-registry', 'runc', 'ldd', ...containerdTools(MAIN_CONTAINERD)],
  filesystems: ['erofs', 'overlay'],
};

describe('what containerd runs on', { skip: skipWithout(needs) }, () => {
  let node: ContainerdNode;

  before(async () => {
    node = await startContainerdNode({ release: MAIN_CONTAINERD });
  });
  after(() => node?.[Symbol.asyncDispose]());

  test('127 layers', async () => {
    const others = Array.from({ length: 126 }, (_, place) => node.textLayer(`${place}`, `${place}\n`));
    const reference = await node.pushAndCache({ tag: 'many', layers: [node.shell, ...(await Promise.all(others))] });
    assert.equal(blobRequests(await node.pull(reference)).length, 1);
    const printed = await node.runShell(reference, 'ls texts; cat texts/125; stat -c %a /');
    assert.equal(printed.split('\n').length, 126 + 3);
    assert.deepEqual(printed.split('\n').slice(-3), ['125', '751', '']);
  });

  test('after a reboot the layers are mounted again', async () => {
    const reference = await node.pushAndCache({
      tag: 'reboot',
      layers: [node.shell, await node.textLayer('r', 'again\n')],
    });
    await node.pull(reference);
    await node.containerd.end();
    await node.snapshotter.end();
    unmountBelow(node.snapshotter.stateDirectory);
    await node.snapshotter.start();
    await node.containerd.start();
    await node.containerd.untilConnected();
    assert.equal(await node.runShell(reference, 'cat texts/r'), 'again\n');
  });

  test('an image outlives its cache on the server', async () => {
    const layer = await node.textLayer('gone', 'still here\n');
    const reference = await node.push({ tag: 'outlives', layers: [node.shell, layer] });
    const id = await node.caches.createReady([reference], BUILD_TIMEOUT_MS);
    await node.pull(reference);
    await node.caches.delete(id);
    await rm(blobFile(layer), { force: true });
    await node.snapshotter.end();
    unmountBelow(node.snapshotter.stateDirectory);
    await node.snapshotter.start();
    await node.containerd.untilConnected();
    assert.equal(await node.runShell(reference, 'cat texts/gone'), 'still here\n');
  });

  test('a blob that was changed on the disk is not used', async () => {
    const layer = await node.textLayer('c', 'changed\n');
    const reference = await node.pushAndCache({ tag: 'changed', layers: [node.shell, layer] });
    await node.pull(reference);
    assert.equal(await node.runShell(reference, 'cat texts/c'), 'changed\n');
    // Touched, but the same: its bytes are read, and it is used.
    await utimes(blobFile(layer), 1, 1);
    assert.equal(await node.runShell(reference, 'cat texts/c'), 'changed\n');
    const copy = join(node.home, 'copy.erofs');
    await copyFile(blobFile(layer), copy);
    await appendFile(blobFile(layer), 'x');
    await assert.rejects(node.runShell(reference, 'cat texts/c'), /are not those that were built/);
    // Built again, it is taken from the new file.
    await utimes(copy, 0, 0);
    await rename(copy, blobFile(layer));
    assert.equal(await node.runShell(reference, 'cat texts/c'), 'changed\n');
    await appendFile(blobFile(layer), 'x');
    await assert.rejects(node.runShell(reference, 'cat texts/c'), /are not those that were built/);
    // Somebody who has not pulled yet downloads the layer.
    await node.removeImages('k8s.io');
    assert.ok((await node.pull(reference)).some((request) => request.endsWith(layer.digest)));
    assert.equal(await node.runShell(reference, 'cat texts/c'), 'changed\n');
  });

  function blobFile(layer: Layer): string {
    const hex = layer.diffId.slice('sha256:'.length);
    return join(node.larder.dataDirectory, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`);
  }
});
