/**
 * The mounted snapshot equals what umoci unpacks, entry by entry: type, mode, owner, size, time, link target, hard-link
 * groups, extended attributes, devices, content. On real Debian images, and on one with every legal oddity of layers.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BENCH_IMAGES, benchImage } from '../support/bench-images.ts';
import { cacheFolder } from '../support/cache-folder.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { ACCESS_KEY, type LarderServer, REGION_ID, startLarder } from '../support/larder-server.ts';
import { LARGE, LEANING, ODDITIES, UMOCI_CORRECTIONS, writeOddities } from '../support/oddities-image.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { compareTrees, listTree, type Tree } from '../support/tree-compare.ts';
import { umociUnpack } from '../support/umoci.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const BUILD_TIMEOUT_MS = 300_000;

const needs = {
  root: true,
  tools: ['docker-registry', 'umoci', 'getfattr', 'debootstrap', 'fsck.erofs', 'mount'],
  filesystems: ['erofs', 'overlay'],
};

describe('a mounted snapshot equals umoci’s unpacking', { skip: skipWithout(needs) }, () => {
  let registry: DockerRegistry;
  let larder: LarderServer;
  let work: string;
  let odd: string;

  before(async () => {
    // Gigabytes: on the disk of the checkout, not in a /tmp that may be memory.
    await mkdir(cacheFolder(), { recursive: true });
    work = await mkdtemp(join(cacheFolder(), 'equality-'));
    odd = join(work, 'oddities');
    await writeOddities(odd);
    registry = await startDockerRegistry({ dir: join(work, 'registry') });
    larder = await startLarder({ parent: work });
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    if (work) await rm(work, { recursive: true, force: true });
  });

  /** Pushes, creates the cache through the API, mounts it, and hands the mounted folder over. */
  async function withMounted<T>(layout: string, tag: string, use: (dir: string) => Promise<T>): Promise<T> {
    const reference = await pushImage(layout, tag, registry);
    const id = await createImageCacheClient(larder.endpoint).createReady([reference], BUILD_TIMEOUT_MS);
    const mounted = join(work, 'mounted');
    await mkdir(mounted, { recursive: true });
    await larder.cli('mount', id, reference, mounted, '--data', larder.dataDirectory);
    try {
      return await use(mounted);
    } finally {
      await larder.cli('umount', mounted);
    }
  }

  async function umociTree(layout: string, tag: string): Promise<Tree> {
    const rootfs = join(work, 'umoci');
    await umociUnpack(layout, tag, rootfs);
    const tree = await listTree(rootfs);
    for (const [path, correction] of Object.entries(UMOCI_CORRECTIONS)) {
      const entry = tree.get(path);
      if (entry) Object.assign(entry, correction);
    }
    await rm(rootfs, { recursive: true });
    return tree;
  }

  for (const tag of BENCH_IMAGES) {
    test(`${tag}, which the benchmarks use`, async (t) => {
      const layout = await benchImage(tag, (line) => t.diagnostic(line));
      const actual = await withMounted(layout, tag, listTree);
      assert.ok(actual.size > 2000, `only ${actual.size} entries`);
      assert.deepEqual(compareTrees(await umociTree(layout, tag), actual), []);
    });
  }

  for (const { tag, reference } of [...ODDITIES, ...LEANING]) {
    test(tag, async () => {
      const actual = await withMounted(odd, tag, listTree);
      assert.deepEqual(compareTrees(await umociTree(odd, reference), actual), []);
    });
  }

  test('oddities, through a bundle and through a node’s agent', async () => {
    const expected = await umociTree(odd, 'oddities');
    const reference = await pushImage(odd, 'oddities', registry);
    const id = await createImageCacheClient(larder.endpoint).createReady([reference], BUILD_TIMEOUT_MS);
    const bundle = join(work, 'bundle');
    await larder.cli('rootfs', id, reference, bundle, '--entrypoint', '/any', '--data', larder.dataDirectory);
    const inBundle = await listTree(join(bundle, 'rootfs'));
    await larder.cli('umount', bundle, '--data', larder.dataDirectory);
    assert.deepEqual(compareTrees(expected, inBundle), []);

    const node = join(work, 'node');
    const attached = join(work, 'attached');
    const agent = spawn(process.execPath, [MAIN, 'node', 'run', '--cache', id, '--data', node], {
      env: {
        ...process.env,
        LARDER_ENDPOINT: `http://${larder.endpoint}`,
        LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
        LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
        LARDER_REGION: REGION_ID,
      },
      stdio: 'ignore',
    });
    const ended = once(agent, 'exit');
    try {
      const isLocal = async () => /\blocal\b/.test(await larder.cli('node', 'status', '--data', node).catch(String));
      await until('local', isLocal);
      await larder.cli('node', 'attach', reference, attached, '--data', node);
      const onNode = await listTree(attached);
      await larder.cli('node', 'detach', attached, '--data', node);
      assert.deepEqual(compareTrees(expected, onNode), []);
    } finally {
      agent.kill();
      await ended;
    }
  });

  test('a file over 4 GiB', async () => {
    await withMounted(odd, LARGE.tag, async (dir) => {
      const path = join(dir, LARGE.path);
      assert.equal((await stat(path)).size, LARGE.size);
      for (const { offset, data } of LARGE.parts) {
        assert.deepEqual(await readPart(path, offset, data.length), data);
        const behind = await readPart(path, offset + data.length, 100_000);
        assert.ok(behind.every((byte) => byte === 0));
      }
      assert.deepEqual(await readPart(path, LARGE.size - 10, 100), Buffer.alloc(10));
    });
  });

  test('fsck.erofs finds every layer blob of all of them clean', async () => {
    const blobs = await readdir(join(larder.dataDirectory, 'layers/sha256'), { recursive: true });
    const files = blobs.filter((name) => name.endsWith('.erofs'));
    assert.ok(files.length > 500, `only ${files.length} blobs`);
    for (const name of files) await run('fsck.erofs', [join(larder.dataDirectory, 'layers/sha256', name)]);
  });
});

async function readPart(path: string, start: number, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of createReadStream(path, { start, end: start + length - 1 })) chunks.push(chunk);
  return Buffer.concat(chunks);
}
