/** A backup that is taken while caches are made and deleted is restored to a folder in which every Ready cache is right. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOfFile } from '../../src/blobs/index.ts';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { createImageCacheClient, type ImageCacheClient } from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { pushSmallImage, type SmallImage } from '../support/small-image.ts';

const TIMEOUT_MS = 40_000;

describe('backup and restore', { skip: skipWithout({ tools: ['docker-registry', 'tar', 'sha256sum'] }) }, () => {
  let registry: DockerRegistry;
  let larder: LarderServer;
  let client: ImageCacheClient;
  let work: string;
  let images: SmallImage[];
  let kept: string;

  before(async () => {
    work = await mkdtemp(join(tmpdir(), 'larder-backup-'));
    registry = await startDockerRegistry();
    larder = await startLarder();
    client = createImageCacheClient(larder.endpoint);
    images = await Promise.all(
      Array.from({ length: 4 }, () => pushSmallImage(registry, { layers: 3, bytes: 100_000 })),
    );
    kept = await client.createReady([images[0]?.reference ?? ''], TIMEOUT_MS);
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    await rm(work, { recursive: true, force: true });
  });

  const cli = (...args: string[]) => larder.cli(...args);
  const json = async (...args: string[]) => JSON.parse(await cli(...args, '--output', 'json'));
  const key = () => join(larder.dataDirectory, 'seal.key');

  /** Every layer that these snapshot manifests of the folder name has the digest that the manifest says. */
  async function checkFolder(folder: string, snapshotIds: readonly string[]): Promise<number> {
    let layers = 0;
    for (const id of snapshotIds) {
      const snapshot = JSON.parse(await readFile(join(folder, 'snapshots', `${id}.json`), 'utf8'));
      for (const { blob, blobDigest } of snapshot.images.flatMap((image: { layers: object[] }) => image.layers)) {
        const hex = blob.slice('sha256:'.length);
        assert.equal(await digestOfFile(join(folder, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`)), blobDigest);
        layers++;
      }
    }
    return layers;
  }

  test('under load, restored without its layers: all are rebuilt, every cache is what it was', async () => {
    const stop = new AbortController();
    const load = images.map(async ({ reference }, place) => {
      for (let round = 0; !stop.signal.aborted; round++) {
        const id = await client.createReady([reference], TIMEOUT_MS);
        if ((round + place) % 2 === 0) await client.delete(id);
      }
    });
    await sleep(500);
    const file = join(work, 'under-load.tar');
    const summary = await json('backup', file, '--data', larder.dataDirectory);
    await sleep(300);
    stop.abort();
    await Promise.all(load);
    assert.ok(summary.Snapshots >= 1 && summary.Layers >= 3, JSON.stringify(summary));
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const listing = await run('tar', ['tf', file]);
    assert.ok(!listing.includes('seal.key') && !listing.includes('.erofs'), listing);
    assert.deepEqual(
      (await readdir(work)).filter((name) => name.startsWith('.')),
      [],
    );

    await using other = await startLarder();
    await other.stop();
    await rm(other.dataDirectory, { recursive: true });
    const restored = await json('restore', file, '--data', other.dataDirectory);
    assert.equal(restored.LayersToRebuild, summary.Layers);
    await assert.rejects(other.start(), /seal\.key/);
    await copyFile(key(), join(other.dataDirectory, 'seal.key'));
    await other.start();

    const check = async () => {
      const text = await other.cli('check', '--deep', '--data', other.dataDirectory, '--output', 'json').catch(String);
      return text.startsWith('{') ? JSON.parse(text).Problems : [text];
    };
    let problems = await check();
    for (const endMs = Date.now() + TIMEOUT_MS; problems.length > 0 && Date.now() < endMs; problems = await check())
      await sleep(300);
    assert.deepEqual(problems, [], other.log().slice(-3000));
    // A fast machine makes more caches than go onto one page; each page is one line.
    const pages = (await other.cli('list', '--output', 'json')).trimEnd().split('\n');
    const caches: { Status: string; SnapshotId: string }[] = pages.flatMap((page) => JSON.parse(page).ImageCaches);
    const ready = caches.filter(({ Status }) => Status === 'Ready');
    const ids = ready.map(({ SnapshotId }) => SnapshotId);
    assert.ok((await checkFolder(other.dataDirectory, ids)) >= 3 * ready.length);
    const cache = await createImageCacheClient(other.endpoint).describe(kept);
    assert.equal(cache?.status, 'Ready');
    assert.ok(cache?.events?.some(({ reason }) => reason === 'Repaired'));
  });

  test('with its layers and its key: whole without any registry; the archive checks itself', async () => {
    const file = join(work, 'whole.tar');
    await cli('backup', file, '--with-key', '--with-blobs', '--data', larder.dataDirectory);
    await assert.rejects(cli('backup', file, '--data', larder.dataDirectory), /there already/);
    const unpacked = join(work, 'unpacked');
    await mkdir(unpacked);
    await run('tar', ['xf', file, '-C', unpacked]);
    await run('sha256sum', ['-c', '--quiet', 'SHA256SUMS'], { cwd: unpacked });

    const folder = join(work, 'restored');
    const restored = await json('restore', file, '--data', folder);
    assert.deepEqual([restored.LayersToRebuild, restored.HasKey], [0, true]);
    assert.deepEqual((await json('check', '--deep', '--data', folder)).Problems, []);
    const manifests = await readdir(join(folder, 'snapshots'));
    assert.ok(
      (await checkFolder(
        folder,
        manifests.map((name) => name.replace('.json', '')),
      )) >= 3,
    );
    assert.equal((await stat(join(folder, 'seal.key'))).mode & 0o777, 0o600);
    await assert.rejects(cli('restore', file, '--data', folder), /not empty/);
  });

  test('a damaged or cut archive is refused, and leaves nothing', async () => {
    const file = join(work, 'damaged.tar');
    await cli('backup', file, '--with-blobs', '--data', larder.dataDirectory);
    const whole = await readFile(file);
    const folder = join(work, 'empty');
    for (let round = 0; round < 4; round++) {
      const bytes = Buffer.from(whole);
      // Not in the zeros that fill the last blocks.
      const at = Math.floor(((round + 0.5) / 4) * (whole.length - 4096)) & ~511;
      bytes[at + 5] = (bytes[at + 5] ?? 0) ^ 4;
      await writeFile(file, round === 3 ? whole.subarray(0, whole.length >> 1) : bytes);
      await assert.rejects(cli('restore', file, '--data', folder), /damaged/, `byte ${at}`);
      assert.deepEqual(await readdir(folder), []);
    }
    await writeFile(file, randomBytes(5000));
    await assert.rejects(cli('restore', file, '--data', folder), /damaged/);
  });

  test('a damaged layer is not taken into a backup', async () => {
    const [hex = ''] = images[0]?.layers.map(({ diffId }) => diffId.slice('sha256:'.length)) ?? [];
    const blob = await open(join(larder.dataDirectory, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`), 'r+');
    await blob.write(Buffer.from('x'), 0, 1, 5000);
    await blob.close();
    await assert.rejects(
      cli('backup', join(work, 'no.tar'), '--with-blobs', '--data', larder.dataDirectory),
      /larder scrub/,
    );
    await assert.rejects(stat(join(work, 'no.tar')), { code: 'ENOENT' });
  });
});
