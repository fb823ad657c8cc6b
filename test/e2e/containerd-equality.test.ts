/** What containerd mounts of held layers equals what umoci unpacks: pulled and preloaded, for a view and for what a container writes to. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { digestOfHex, parseDigest } from '../../src/lib/digest.ts';
import { chainIds } from '../../src/oci/index.ts';
import {
  type Containerd,
  createContainerd,
  createSnapshotter,
  mountPrinted,
  type Snapshotter,
  unmountBelow,
} from '../support/containerd.ts';
import { type Cri, createCri } from '../support/cri.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient, type ImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { LEANING, ODDITIES, UMOCI_CORRECTIONS, writeOddities } from '../support/oddities-image.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { compareTrees, listTree, type Tree } from '../support/tree-compare.ts';
import { umociUnpack } from '../support/umoci.ts';

const BUILD_TIMEOUT_MS = 120_000;
const MAX_ATTEMPTS = 5;
const PRELOAD_TIMEOUT_MS = 30_000;
const POLL_MS = 100;
/** A namespace for what nobody pulls. */
const PRELOADED = 'preloaded';
const needs = {
  root: true,
  tools: ['docker-registry', 'containerd', 'ctr', 'umoci', 'getfattr', 'mount'],
  filesystems: ['erofs', 'overlay'],
};
const configSchema = z.object({ rootfs: z.object({ diff_ids: z.array(z.string().transform(parseDigest)) }) });

describe('roots that containerd mounts equal umoci’s', { skip: skipWithout(needs) }, () => {
  let home: string;
  let layout: string;
  let registry: DockerRegistry;
  let larder: LarderServer;
  let caches: ImageCacheClient;
  let snapshotter: Snapshotter;
  let containerd: Containerd;
  let cri: Cri;

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'larder-ctd-'));
    layout = join(home, 'layout');
    await writeOddities(layout);
    registry = await startDockerRegistry({ dir: join(home, 'registry') });
    larder = await startLarder({ parent: home });
    caches = createImageCacheClient(larder.endpoint);
    const args = ['--preload', '--containerd-socket', join(home, 'c.sock'), '--namespace', PRELOADED];
    snapshotter = createSnapshotter({ home, dataDirectory: larder.dataDirectory, args });
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
    await registry?.[Symbol.asyncDispose]();
    if (!home) return;
    unmountBelow(home);
    await rm(home, { recursive: true, force: true });
  });

  async function umociTree(tag: string): Promise<Tree> {
    const rootfs = join(home, 'umoci');
    await umociUnpack(layout, tag, rootfs);
    const tree = await listTree(rootfs);
    for (const [path, correction] of Object.entries(UMOCI_CORRECTIONS)) {
      const entry = tree.get(path);
      if (entry) Object.assign(entry, correction);
    }
    await rm(rootfs, { recursive: true });
    return tree;
  }

  /** The chainID of all layers, by the id that the kubelet gets from a pull: the digest of the config. */
  async function chainOf(imageId: string): Promise<string> {
    const hex = imageId.slice('sha256:'.length);
    const text = await readFile(join(layout, 'blobs/sha256', hex), 'utf8');
    assert.equal(digestOfHex(hex), imageId);
    return chainIds(configSchema.parse(JSON.parse(text)).rootfs.diff_ids).at(-1) ?? '';
  }

  /** Makes a snapshot of the chain, and lists what its mount shows. */
  async function treeOf(kind: string, { namespace, chain }: { namespace: string; chain: string }): Promise<Tree> {
    const snapshots = (...args: string[]) =>
      containerd.ctr('--namespace', namespace, 'snapshots', '--snapshotter', 'larder', ...args);
    const target = join(home, 'mounted');
    await mkdir(target, { recursive: true });
    const key = `${kind} of ${chain}`;

    /** ctr views without a lease, so a collection may take it until it has a label. */
    async function prepared(): Promise<string> {
      for (let attempt = 1; ; attempt++) {
        try {
          await snapshots(kind, key, chain);
          await snapshots('label', key, 'containerd.io/gc.root=test');
          return await snapshots('mounts', target, key);
        } catch (error) {
          if (attempt === MAX_ATTEMPTS) throw error;
        }
      }
    }

    await mountPrinted(await prepared(), target);
    try {
      return await listTree(target);
    } finally {
      await run('umount', [target]);
      await snapshots('rm', key);
    }
  }

  async function untilPreloaded(reference: string): Promise<void> {
    const endMs = performance.now() + PRELOAD_TIMEOUT_MS;
    for (;;) {
      const names = await containerd.ctr('--namespace', PRELOADED, 'images', 'ls', '-q');
      if (names.split('\n').includes(reference)) return;
      assert.ok(performance.now() < endMs, `${reference} is not there:\n${snapshotter.log()}`);
      await sleep(POLL_MS);
    }
  }

  const made: { reference: string; chain: string; expected: Tree }[] = [];

  for (const { tag, reference: twin } of [...ODDITIES, ...LEANING]) {
    test(tag, async () => {
      const reference = await pushImage(layout, tag, registry);
      await caches.createReady([reference], BUILD_TIMEOUT_MS);
      const chain = await chainOf(await cri.pull(reference));
      const expected = await umociTree(twin);
      for (const kind of ['view', 'prepare']) {
        const tree = await treeOf(kind, { namespace: 'k8s.io', chain });
        assert.deepEqual(compareTrees(expected, tree), [], kind);
      }
      made.push({ reference, chain, expected });
    });
  }

  test('all of them preloaded', async () => {
    assert.ok(made.length > 0);
    for (const { reference, chain, expected } of made) {
      await untilPreloaded(reference);
      const tree = await treeOf('view', { namespace: PRELOADED, chain });
      assert.deepEqual(compareTrees(expected, tree), [], reference);
    }
  });
});
