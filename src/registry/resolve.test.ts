import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { collect, quickClient } from '../../test/support/registry-client.ts';
import { buildImage, buildIndex, INDEX_MEDIA_TYPE, sha256, toJson } from '../../test/support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../../test/support/scripted-registry.ts';
import { parseReference } from '../oci/index.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const ARM64 = { os: 'linux', architecture: 'arm64' };
const signal = new AbortController().signal;
const image = buildImage({ layers: [randomBytes(3000), randomBytes(500)] });
const armImage = buildImage({ layers: [randomBytes(100)], platform: ARM64 });

const resolve = async (registry: ScriptedRegistry, name: string, platform = AMD64) => {
  await using client = quickClient();
  return await client.resolve(parseReference(`${registry.host}/${name}`), platform, signal);
};

describe('resolve', () => {
  for (const [name, options] of [
    ['OCI gzip', {}],
    ['OCI zstd', { compression: 'zstd' }],
    ['OCI plain', { compression: 'none' }],
    ['Docker gzip', { docker: true }],
  ] as const) {
    test(`a tag to its manifest, config and layers: ${name}`, async () => {
      const made = buildImage({ layers: [randomBytes(2000), randomBytes(10)], ...options });
      await using registry = await startScriptedRegistry();
      registry.putImage('team/app', made, 'v1');
      await using client = quickClient();
      const reference = parseReference(`${registry.host}/team/app:v1`);
      const resolved = await client.resolve(reference, AMD64, signal);
      assert.equal(resolved.manifestDigest, made.manifestDigest);
      assert.equal(resolved.rootDigest, made.manifestDigest);
      assert.equal(resolved.configDigest, made.configDigest);
      assert.equal(resolved.configText, Buffer.from(made.config).toString());
      assert.deepEqual(resolved.platform, AMD64);
      const expected = made.layers.map(({ descriptor, diffId }) => ({ ...descriptor, diffId }));
      assert.deepEqual(resolved.layers, expected);
      for (const [index, layer] of resolved.layers.entries()) {
        const bytes = await collect(client.openLayer(reference, layer, { signal }));
        assert.deepEqual(bytes, Buffer.from(made.layers[index]?.bytes ?? []));
      }
      assert.ok(registry.requests.every(({ method }) => method === 'GET'));
    });
  }

  test('an index, also nested once, to the platform', async () => {
    await using registry = await startScriptedRegistry();
    registry.putImage('app', image);
    registry.putImage('app', armImage);
    const index = buildIndex([
      { ...image.descriptor, platform: { os: 'unknown', architecture: 'unknown' } },
      image.descriptor,
      armImage.descriptor,
    ]);
    registry.putManifest('app', { bytes: index, mediaType: INDEX_MEDIA_TYPE }, 'latest');
    const nested = buildIndex([{ mediaType: INDEX_MEDIA_TYPE, digest: sha256(index), size: index.byteLength }]);
    registry.putManifest('app', { bytes: nested, mediaType: INDEX_MEDIA_TYPE }, 'nested');
    assert.equal((await resolve(registry, 'app')).manifestDigest, image.manifestDigest);
    assert.equal((await resolve(registry, 'app', ARM64)).manifestDigest, armImage.manifestDigest);
    const deep = await resolve(registry, 'app:nested', ARM64);
    assert.deepEqual([deep.manifestDigest, deep.rootDigest], [armImage.manifestDigest, sha256(nested)]);
    const tooDeep = buildIndex([{ mediaType: INDEX_MEDIA_TYPE, digest: sha256(nested), size: nested.byteLength }]);
    registry.putManifest('app', { bytes: tooDeep, mediaType: INDEX_MEDIA_TYPE }, 'deep');
    await assert.rejects(resolve(registry, 'app:deep'), { code: 'oci.limit-exceeded', message: /maxIndexDepth/ });
    const s390x = { os: 'linux', architecture: 's390x' };
    await assert.rejects(resolve(registry, 'app', s390x), {
      code: 'oci.platform-unavailable',
      message: /linux\/arm64/,
    });
  });

  test('an entry without a platform is believed only if the config agrees', async () => {
    await using registry = await startScriptedRegistry();
    registry.putImage('app', image);
    const { platform: _, ...unlabelled } = image.descriptor;
    registry.putManifest('app', { bytes: buildIndex([unlabelled]), mediaType: INDEX_MEDIA_TYPE }, 'latest');
    assert.equal((await resolve(registry, 'app')).manifestDigest, image.manifestDigest);
    await assert.rejects(resolve(registry, 'app', ARM64), {
      code: 'oci.platform-unavailable',
      message: /linux\/amd64/,
    });
  });

  test('tag and digest together: the digest decides', async () => {
    await using registry = await startScriptedRegistry();
    registry.putImage('app', image);
    const resolved = await resolve(registry, `app:gone@${image.manifestDigest}`);
    assert.equal(resolved.manifestDigest, image.manifestDigest);
  });

  const wrong = randomBytes(image.config.byteLength);
  const lies: readonly { name: string; path: string; step: object; code: string; reference?: string }[] = [
    {
      name: 'other bytes for a digest',
      path: '/manifests/',
      step: { body: armImage.manifest },
      code: 'registry.digest-mismatch',
      reference: `app@${image.manifestDigest}`,
    },
    {
      name: 'a Docker-Content-Digest that is not true',
      path: '/manifests/',
      step: { headers: { 'docker-content-digest': armImage.manifestDigest } },
      code: 'registry.digest-mismatch',
    },
    { name: 'a config with other bytes', path: '/blobs/', step: { body: wrong }, code: 'registry.digest-mismatch' },
    {
      name: 'a config that is longer',
      path: '/blobs/',
      step: { body: Buffer.concat([image.config, wrong]) },
      code: 'registry.size-mismatch',
    },
    { name: 'a config that is shorter', path: '/blobs/', step: { body: 'x' }, code: 'registry.size-mismatch' },
    {
      name: 'a manifest without end',
      path: '/manifests/',
      step: { body: Buffer.alloc(5 << 20) },
      code: 'oci.limit-exceeded',
    },
    {
      name: 'a web page',
      path: '/manifests/',
      step: { body: '<html>', headers: { 'content-type': 'text/html' } },
      code: 'oci.manifest-invalid',
    },
    {
      name: 'schema 1',
      path: '/manifests/',
      step: { body: toJson({ schemaVersion: 1 }) },
      code: 'oci.schema1-unsupported',
    },
    { name: '403', path: '/manifests/', step: { status: 403 }, code: 'registry.forbidden' },
    { name: '404', path: '/manifests/', step: { status: 404 }, code: 'registry.not-found' },
    { name: '418', path: '/manifests/', step: { status: 418 }, code: 'registry.invalid-response' },
  ];
  for (const { name, path, step, code, reference = 'app' } of lies) {
    test(`refuses ${name}, at once`, async () => {
      await using registry = await startScriptedRegistry();
      registry.putImage('app', image, 'latest');
      let asked = 0;
      registry.script(path, () => {
        asked++;
        return step;
      });
      await assert.rejects(resolve(registry, reference), { code });
      assert.equal(asked, 1);
    });
  }

  test('passes over passing failures, and tells of lasting ones', async () => {
    await using registry = await startScriptedRegistry();
    registry.putImage('app', image, 'latest');
    const failures = [{ status: 500 }, { cutAfter: 10 }];
    registry.script('/manifests/', (_, n) => failures[n]);
    registry.script('/blobs/', (_, n) => (n === 0 ? { status: 429, headers: { 'retry-after': '0' } } : undefined));
    assert.equal((await resolve(registry, 'app')).manifestDigest, image.manifestDigest);

    const body = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'slow\n\u001b[31mdown' }] });
    registry.script('/manifests/', () => ({ status: 429, body }));
    await assert.rejects(resolve(registry, 'app'), {
      code: 'registry.rate-limited',
      message: /TOOMANYREQUESTS slow \[31mdown/,
    });
    registry.script('/manifests/', () => ({ status: 503 }));
    await assert.rejects(resolve(registry, 'app'), { code: 'registry.server-error' });
    registry.script('/manifests/', () => ({ silent: true }));
    await assert.rejects(resolve(registry, 'app'), { code: 'registry.timeout' });
    registry.script('/manifests/', () => ({ drip: { bytes: 1, pauseMs: 100 } }));
    await using client = quickClient({ retry: { attempts: 1 }, timeouts: { documentMs: 400 } });
    const reference = parseReference(`${registry.host}/app`);
    await assert.rejects(client.resolve(reference, AMD64, signal), { code: 'registry.timeout', message: /400 ms/ });
  });

  test('a registry that is not there', async () => {
    let host = '';
    {
      await using registry = await startScriptedRegistry();
      host = registry.host;
    }
    await using client = quickClient();
    const down = client.resolve(parseReference(`${host}/app`), AMD64, signal);
    await assert.rejects(down, { code: 'registry.unreachable', message: /connection refused/ });
    const nowhere = client.resolve(parseReference('nowhere.invalid/app'), AMD64, signal);
    await assert.rejects(nowhere, { code: 'registry.unreachable' });
  });

  test('aborting ends it with the reason', async () => {
    await using registry = await startScriptedRegistry();
    registry.script('/manifests/', () => ({ silent: true }));
    const controller = new AbortController();
    await using client = quickClient();
    const running = client.resolve(parseReference(`${registry.host}/app`), AMD64, controller.signal);
    controller.abort(new Error('changed my mind'));
    await assert.rejects(running, { message: 'changed my mind' });
  });
});
