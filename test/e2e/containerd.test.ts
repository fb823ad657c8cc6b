/** `larder node containerd` under Debian's containerd and the next: pulls that download no layer, containers on held layers. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { mountsBelow } from '../support/containerd.ts';
import { blobRequests, type ContainerdNode, containerName, startContainerdNode } from '../support/containerd-node.ts';
import { CONTAINERD_RELEASES, containerdTools, containerdVersion } from '../support/containerd-releases.ts';
import { MANIFEST } from '../support/oci-layout.ts';
import { skipWithout } from '../support/requirements.ts';
import { addTarLayer, shellEntries } from '../support/shell-image.ts';
import { until } from '../support/until.ts';

const manifestSchema = z.object({ config: z.object({ digest: z.string() }) });
const needs = { root: true, tools: ['docker-registry', 'runc', 'ldd'], filesystems: ['erofs', 'overlay'] };

for (const release of CONTAINERD_RELEASES) {
  const skip = skipWithout({ ...needs, tools: [...needs.tools, ...containerdTools(release)] });
  describe(`larder as the snapshotter of ${release.name}`, { skip }, () => {
    let node: ContainerdNode;

    before(async () => {
      node = await startContainerdNode({ release });
    });
    after(() => node?.[Symbol.asyncDispose]());

    test('an image that is held: the registry sees manifest and config, and the container runs', async () => {
      const reference = await node.pushAndCache({
        tag: 'held',
        layers: [node.shell, await node.textLayer('one', 'first\n')],
      });
      const requests = await node.pull(reference);
      assert.equal(blobRequests(requests).length, 1, requests.join('\n'));
      assert.ok(requests.length <= 3, requests.join('\n'));
      const printed = await node.runShell(
        reference,
        'cat texts/one; stat -c "%a %u %g" /; echo new > texts/two; ls texts',
      );
      assert.equal(printed, 'first\n751 0 5\none\ntwo\n');
      // What a container writes is its own.
      assert.equal(await node.runShell(reference, 'ls texts'), 'one\n');
      assert.deepEqual(blobRequests(await node.pull(reference)), []);
    });

    test('an image that is not held is downloaded and unpacked', async () => {
      const layers = [await addTarLayer(node.layout, await otherShell()), await node.textLayer('plain', 'unpacked\n')];
      const reference = await node.push({ tag: 'plain', layers });
      assert.equal(blobRequests(await node.pull(reference)).length, 3);
      assert.equal(await node.runShell(reference, 'cat texts/plain'), 'unpacked\n');
    });

    test('held layers below and above unpacked ones', async () => {
      const [low, middle, high] = [
        await node.textLayer('m', 'low\n'),
        await node.textLayer('m', 'middle\n'),
        await node.textLayer('h', 'high\n'),
      ];
      await node.pushAndCache({ tag: 'mixed-low', layers: [node.shell, low] });
      const two = await node.push({ tag: 'mixed-two', layers: [node.shell, low, middle] });
      assert.deepEqual(
        blobsOf(await node.pull(two)).toSorted(),
        [middle.digest, await configOf('mixed-two')].toSorted(),
      );
      assert.equal(await node.runShell(two, 'cat texts/m'), 'middle\n');
      const three = await node.pushAndCache({ tag: 'mixed-three', layers: [node.shell, low, middle, high] });
      assert.equal(blobRequests(await node.pull(three)).length, 1);
      assert.equal(await node.runShell(three, 'cat texts/m texts/h; stat -c %a /'), 'middle\nhigh\n751\n');
    });

    test('a second namespace gets the same layers', async () => {
      const reference = await node.pushAndCache({
        tag: 'shared',
        layers: [node.shell, await node.textLayer('s', 'shared\n')],
      });
      await node.pull(reference);
      const mounted = mountsBelow(join(node.snapshotter.stateDirectory, 'l')).length;
      // ctr of 1.6 downloads layers first, and unpacks them only where there is no snapshot.
      const other = (...args: string[]) => node.containerd.ctr('--namespace', 'other', ...args);
      await other('images', 'pull', '--snapshotter', 'larder', reference);
      const args = ['run', '--rm', '--snapshotter', 'larder', reference, containerName(), '/bin/cat', '/texts/s'];
      assert.equal(await other(...args), 'shared\n');
      assert.equal(mountsBelow(join(node.snapshotter.stateDirectory, 'l')).length, mounted);
    });

    test('ctr images pull unpacks nothing that stays: containers run on the held blobs', async () => {
      const layers = [node.shell, await node.textLayer('p', 'pulled\n'), await node.textLayer('q', 'on top\n')];
      const reference = await node.pushAndCache({ tag: 'pulled', layers });
      const other = (...args: string[]) => node.containerd.ctr('--namespace', 'pulled', ...args);
      const folder = join(node.snapshotter.stateDirectory, 'l');
      const earlier = await readdir(folder);
      node.proxy.take();
      await other('images', 'pull', '--snapshotter', 'larder', reference);
      const requests = node.proxy.take();
      // ctr of 1.x downloads all layers first; from 2.x on it asks the snapshotter before.
      const isAsked = (await containerdVersion(release)).major >= 2;
      const config = await configOf('pulled');
      if (isAsked) assert.deepEqual(blobsOf(requests), [config], requests.join('\n'));
      assert.equal(
        layers.some(({ digest }) => blobsOf(requests).includes(digest)),
        !isAsked,
        requests.join('\n'),
      );
      const snapshots = await readdir(folder);
      const added = snapshots.filter((name) => !earlier.includes(name)).map((name) => join(folder, name));
      assert.deepEqual(
        added.filter((path) => !mountsBelow(folder).includes(path)),
        [],
        'every layer is a mounted blob',
      );
      const args = ['run', '--rm', '--snapshotter', 'larder', reference, containerName()];
      assert.equal(await other(...args, '/bin/cat', '/texts/p', '/texts/q'), 'pulled\non top\n');
      // Again, for the kubelet: they are the same.
      const asked = blobsOf(await node.pull(reference));
      assert.deepEqual(
        layers.filter(({ digest }) => asked.includes(digest)),
        [],
      );
      // What the container had goes with containerd's next collection.
      await until('no snapshot but those of layers', async () => isDeepStrictEqual(await readdir(folder), snapshots));
      assert.equal(await node.runShell(reference, 'cat texts/p; stat -c "%a %u %g" /'), 'pulled\n751 0 5\n');
      // Once the other namespace has let go of it, it goes on.
      await node.removeImages('pulled');
      assert.equal(await node.runShell(reference, 'cat texts/q'), 'on top\n');
    });

    test('once containerd has let go of all images nothing is left', async () => {
      for (const namespace of ['other', 'k8s.io']) await node.removeImages(namespace);
      await node.assertNothingLeft();
    });

    const blobsOf = (requests: readonly string[]) => blobRequests(requests).map((each) => each.split('/').at(-1) ?? '');

    async function configOf(tag: string): Promise<string> {
      const url = `http://${node.registry.host}/v2/test/manifests/${tag}`;
      const manifest = manifestSchema.parse(await (await fetch(url, { headers: { accept: MANIFEST } })).json());
      return manifest.config.digest;
    }

    /** The same programs in a layer that no cache has. */
    async function otherShell() {
      return [...(await shellEntries()), { name: 'other', type: 'file' as const, content: Buffer.from('other') }];
    }
  });
}
