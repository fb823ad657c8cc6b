import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDockerRegistry } from '../../test/support/docker-registry.ts';
import { collect, quickClient } from '../../test/support/registry-client.ts';
import { buildImage, type TestImage, toJson } from '../../test/support/registry-image.ts';
import { requireTools } from '../../test/support/requirements.ts';
import { run } from '../../test/support/run.ts';
import { parseReference } from '../oci/index.ts';

const PLATFORM = { os: 'linux', architecture: 'amd64' };
const USER = { name: 'alice', password: 'pa:ss' };

/** An OCI image layout (image-spec image-layout.md) with this image, for skopeo to push. */
async function writeLayout(dir: string, image: TestImage): Promise<void> {
  const blobs = join(dir, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const write = (digest: string, bytes: Uint8Array) => writeFile(join(blobs, digest.slice('sha256:'.length)), bytes);
  await write(image.manifestDigest, image.manifest);
  await write(image.configDigest, image.config);
  for (const layer of image.layers) await write(layer.descriptor.digest, layer.bytes);
  await writeFile(join(dir, 'oci-layout'), toJson({ imageLayoutVersion: '1.0.0' }));
  await writeFile(join(dir, 'index.json'), toJson({ schemaVersion: 2, manifests: [image.descriptor] }));
}

test("an image that skopeo pushed to Debian's docker-registry with a login", async (t) => {
  if (!requireTools(t, ['docker-registry', 'skopeo', 'htpasswd'])) return;
  const dir = await mkdtemp(join(tmpdir(), 'larder-layout-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const image = buildImage({ layers: [randomBytes(300_000), randomBytes(10)] });
  await writeLayout(dir, image);
  await using registry = await startDockerRegistry({ user: USER });
  const target = `${registry.host}/team/app:v1`;
  await run('skopeo', [
    'copy',
    '--dest-tls-verify=false',
    `--dest-creds=${USER.name}:${USER.password}`,
    `oci:${dir}`,
    `docker://${target}`,
  ]);

  const reference = parseReference(target);
  const { signal } = new AbortController();
  const patient = { connectMs: 10_000, headersMs: 10_000, idleMs: 10_000, documentMs: 10_000 };
  const credentials = () => Promise.resolve({ username: USER.name, password: USER.password });
  await using client = quickClient({ credentials, timeouts: patient });
  const resolved = await client.resolve(reference, PLATFORM, signal);
  assert.equal(resolved.manifestDigest, image.manifestDigest);
  assert.deepEqual(
    resolved.layers.map(({ diffId }) => diffId),
    image.layers.map(({ diffId }) => diffId),
  );
  for (const [index, layer] of resolved.layers.entries()) {
    const bytes = await collect(client.openLayer(reference, layer, { signal }));
    assert.deepEqual(bytes, Buffer.from(image.layers[index]?.bytes ?? []));
  }

  const missing = client.resolve(parseReference(`${registry.host}/team/app:none`), PLATFORM, signal);
  await assert.rejects(missing, {
    code: 'registry.not-found',
    message: /manifest none of team\/app.*manifest unknown/i,
  });
  await using stranger = quickClient({ timeouts: patient });
  await assert.rejects(stranger.resolve(reference, PLATFORM, signal), { code: 'registry.unauthorized' });
});
