/** The same layer gives the same blob: with every inflater, in any order, however many at once, alone or with others. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parseSnapshot } from '../../src/caches/index.ts';
import { cacheFolder } from '../support/cache-folder.ts';
import { DEBIAN_APPS, DEBIAN_MINBASE, debianImages } from '../support/debian-images.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { startLarder } from '../support/larder-server.ts';
import { LEANING, ODDITIES, writeOddities } from '../support/oddities-image.ts';
import { pushImage } from '../support/push-image.ts';
import { skipWithout } from '../support/requirements.ts';

const BUILD_TIMEOUT_MS = 300_000;

describe('determinism', {
  skip: skipWithout({ root: true, tools: ['docker-registry', 'debootstrap', 'igzip'] }),
}, () => {
  let registry: DockerRegistry;
  let work: string;
  const references: string[] = [];

  before(async () => {
    await mkdir(cacheFolder(), { recursive: true });
    work = await mkdtemp(join(cacheFolder(), 'determinism-'));
    registry = await startDockerRegistry({ dir: join(work, 'registry') });
    const odd = join(work, 'oddities');
    await writeOddities(odd);
    const tags = [...new Set([...ODDITIES, ...LEANING].map(({ tag }) => tag))];
    for (const tag of tags) references.push(await pushImage(odd, tag, registry));
    const debian = await debianImages();
    for (const tag of [DEBIAN_MINBASE, DEBIAN_APPS]) references.push(await pushImage(debian, tag, registry));
  });
  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    if (work) await rm(work, { recursive: true, force: true });
  });

  /** Key of each layer blob → its tree digest, after a server with these settings built the images one cache each. */
  async function blobsOf(env: NodeJS.ProcessEnv, images: readonly string[]): Promise<Map<string, string | undefined>> {
    await using larder = await startLarder({ parent: work, env });
    const client = createImageCacheClient(larder.endpoint);
    const blobs = new Map<string, string | undefined>();
    for (const image of images) {
      const id = await client.createReady([image], BUILD_TIMEOUT_MS);
      const snapshotId = (await client.describe(id))?.snapshotId ?? '';
      const path = join(larder.dataDirectory, 'snapshots', `${snapshotId}.json`);
      const snapshot = parseSnapshot(snapshotId, await readFile(path, 'utf8'));
      for (const { blob, blobDigest } of snapshot.images.flatMap(({ layers }) => layers)) blobs.set(blob, blobDigest);
    }
    return blobs;
  }

  test('igzip with two layers at once, and node:zlib with one, in the other order', async () => {
    const first = await blobsOf({ LARDER_DECOMPRESSOR: 'auto', LARDER_MAX_LAYERS_AT_ONCE: '2' }, references);
    const second = await blobsOf(
      { LARDER_DECOMPRESSOR: 'node', LARDER_MAX_LAYERS_AT_ONCE: '1' },
      references.toReversed(),
    );
    assert.ok(first.size > 20, `only ${first.size} blobs`);
    for (const digest of first.values()) assert.match(digest ?? '', /^sha256:[0-9a-f]{64}$/);
    assert.deepEqual(Object.fromEntries(second), Object.fromEntries(first));
  });
});
