/**
 * What goes wrong with a registry or an image ends in Failed within a time-out, with a Warning that a person can act on,
 * no trace of a half-made blob, and a server that goes on serving.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, open, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type DockerRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { freePort } from '../support/free-port.ts';
import {
  type CreateFields,
  createImageCacheClient,
  type DescribedCache,
  type ImageCacheClient,
  warnings,
} from '../support/image-cache-client.ts';
import { type LarderServer, startLarder } from '../support/larder-server.ts';
import { listFiles } from '../support/list-files.ts';
import { skipWithout } from '../support/requirements.ts';
import { pushSmallImage } from '../support/small-image.ts';

/** The service's own time-outs for a registry that does not answer add up to less. */
const FAIL_TIMEOUT_MS = 300_000;
const BUILD_TIMEOUT_MS = 30_000;
const USER = { name: 'somebody', password: 'right horse' };
const GIB = 2 ** 30;

const needs = { tools: ['docker-registry', 'htpasswd'] };

describe('failures of registries and images', { skip: skipWithout(needs) }, () => {
  let registry: DockerRegistry;
  let guarded: DockerRegistry;
  let larder: LarderServer;
  let client: ImageCacheClient;

  before(async () => {
    registry = await startDockerRegistry();
    guarded = await startDockerRegistry({ user: USER });
    larder = await startLarder({ env: { LARDER_MIN_IMAGE_CACHE_SIZE_GIB: '1' } });
    client = createImageCacheClient(larder.endpoint);
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await guarded?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  /** Creates a cache that must fail, checks what every failure leaves, and returns it. */
  async function fail(image: string, fields: Partial<CreateFields> = {}): Promise<DescribedCache> {
    const layers = join(larder.dataDirectory, 'layers');
    const filesBefore = await listFiles(layers);
    const host = image.split('/')[0] ?? '';
    const request = { imageCacheName: 'fails', image: [image], plainHttpRegistry: host, ...fields };
    const cache = await client.waitUntilDone(await client.create(request), FAIL_TIMEOUT_MS);
    assert.equal(cache.status, 'Failed');
    assert.ok(!cache.snapshotId, `a failed cache names the snapshot ${cache.snapshotId}`);
    assert.match(warnings(cache), /\S/);
    assert.deepEqual(await listFiles(layers), filesBefore);
    const good = await pushSmallImage(registry);
    await client.createReady([good.reference], BUILD_TIMEOUT_MS);
    return cache;
  }

  test('a tag that does not exist', async () => {
    const { reference } = await pushSmallImage(registry);
    const missing = reference.replace(/:[^:]+$/, ':no-such-tag');
    const cache = await fail(missing);
    assert.match(warnings(cache), /not found|no such|does not exist|unknown/i);
    assert.ok(warnings(cache).includes(missing), warnings(cache));
  });

  test('a repository that does not exist', async () => {
    const cache = await fail(`${registry.host}/no/such/repository:1`);
    assert.match(warnings(cache), /not found|no such|does not exist|unknown/i);
  });

  test('a registry that is down', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    const cache = await fail(`${host}/test:latest`);
    assert.match(warnings(cache), /ECONNREFUSED|refused|reach/i);
    assert.ok(warnings(cache).includes(host), warnings(cache));
  });

  test('a registry that accepts connections and never answers', async () => {
    const server = createServer(() => {}).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    try {
      const cache = await fail(`127.0.0.1:${address.port}/test:latest`);
      assert.match(warnings(cache), /time|answer/i);
    } finally {
      server.close();
    }
  });

  test('a wrong password, and the right one', async () => {
    const { reference } = await pushSmallImage({ host: guarded.host, user: USER });
    const login = { server: guarded.host, userName: USER.name, password: 'wrong horse' };
    const cache = await fail(reference, { imageRegistryCredential: [login] });
    assert.match(warnings(cache), /unauthorized|401|password|login|credential/i);
    assert.doesNotMatch(JSON.stringify(cache), /wrong horse/);
    assert.doesNotMatch(larder.log(), /wrong horse/);

    const id = await client.create({
      imageCacheName: 'right',
      image: [reference],
      plainHttpRegistry: guarded.host,
      imageRegistryCredential: [{ ...login, password: USER.password }],
    });
    assert.equal((await client.waitUntilDone(id, BUILD_TIMEOUT_MS)).status, 'Ready');
  });

  // Without compression only the digest can tell.
  for (const compression of ['gzip', 'none'] as const) {
    test(`a layer whose bytes are not those of its digest (${compression})`, async () => {
      const { reference, layers } = await pushSmallImage(registry, { layers: 1, bytes: 300_000, compression });
      const file = await open(blobPath(registry, layers[0]?.digest ?? ''), 'r+');
      await file.write(Buffer.from([1, 2, 3]), 0, 3, 150_000);
      await file.close();
      const cache = await fail(reference);
      assert.ok(warnings(cache).includes(reference), warnings(cache));
      assert.match(warnings(cache), compression === 'gzip' ? /gzip|should be/ : /should be|digest/);
    });
  }

  test('a layer that ends too early', async () => {
    const { reference, layers } = await pushSmallImage(registry, { layers: 1, bytes: 300_000 });
    await truncate(blobPath(registry, layers[0]?.digest ?? ''), 200_000);
    assert.ok(warnings(await fail(reference)).includes(reference));
  });

  test('a manifest whose bytes are not those of the digest asked for', async () => {
    const [wanted, other] = [await pushSmallImage(registry), await pushSmallImage(registry)];
    const [wantedDigest, otherDigest] = [await digestOf(wanted.reference), await digestOf(other.reference)];
    await copyFile(blobPath(registry, otherDigest), blobPath(registry, wantedDigest));
    const cache = await fail(`${registry.host}/test@${wantedDigest}`);
    for (const digest of [wantedDigest, otherDigest]) assert.ok(warnings(cache).includes(digest), warnings(cache));
  });

  test('images larger than ImageCacheSize', async () => {
    const options = { layers: 1, bytes: GIB + 1_000_000, fill: randomBytes(1 << 20), compression: 'zstd' as const };
    const { reference } = await pushSmallImage(registry, options);
    const cache = await fail(reference, { imageCacheSize: 1 });
    assert.match(warnings(cache), /ImageCacheSize/);
  });

  test('events carry their times and counts', async () => {
    const cache = await fail(`${registry.host}/no/such/repository:1`);
    for (const event of cache.events ?? []) {
      assert.match(event.firstTimestamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      assert.ok((event.count ?? 0) >= 1);
    }
  });
});

/** Where docker-registry keeps a blob; manifests are blobs too. */
function blobPath(registry: DockerRegistry, digest: string): string {
  const hex = digest.slice('sha256:'.length);
  return join(registry.dir, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
}

async function digestOf(reference: string): Promise<string> {
  const [, host, name, tag] = /^([^/]+)\/(.+):([^:]+)$/.exec(reference) ?? [];
  const response = await fetch(`http://${host}/v2/${name}/manifests/${tag}`, {
    method: 'HEAD',
    headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
  });
  return response.headers.get('docker-content-digest') ?? '';
}
