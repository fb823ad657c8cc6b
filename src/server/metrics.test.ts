/** What a server counts, and who may read it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage } from '../../test/support/registry-image.ts';
import { startScriptedRegistry } from '../../test/support/scripted-registry.ts';
import { writeTar } from '../../test/support/tar-writer.ts';
import { createClient } from '../client/index.ts';
import { signRequest } from '../client/sign-request.ts';
import { loadServerConfig } from '../config/index.ts';
import {
  attachPolicy,
  createAccessKey,
  createIdentity,
  findAccount,
  openAdmin,
  putPolicy,
  startServer,
} from './index.ts';

const REGION = 'cn-hangzhou';
const WAIT_MS = 10_000;

test('calls, caches, builds, bytes and matches are counted; who is not on this machine signs', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'larder-metrics-'));
  t.after(() => rm(directory, { recursive: true }));
  await using registry = await startScriptedRegistry();
  const tar = Buffer.concat([...writeTar([{ name: 'data', type: 'file', content: Buffer.alloc(100_000, 7) }])]);
  const image = buildImage({ layers: [tar], compression: 'none' });
  registry.putImage('app', image, '1');
  const dataDirectory = join(directory, 'data');
  const flags = { dataDirectory, defaultRegionId: REGION, listen: '127.0.0.1:0', logLevel: 'silent' };
  const server = await startServer(loadServerConfig({ LARDER_PLAIN_HTTP_REGISTRIES: registry.host }, flags));
  t.after(() => server.stop());
  const { endpoint, firstKey } = server;
  assert.ok(firstKey);
  const credentials = { accessKeyId: firstKey.id, accessKeySecret: firstKey.secret };
  const client = createClient({ ...credentials, endpoint, regionId: REGION, timeoutMs: 5000 });
  const scrape = async () => {
    const answer = await fetch(`${endpoint}/metrics`);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    return answer.text();
  };
  const counted = async (line: string) => {
    const text = await scrape();
    assert.ok(text.includes(`\n${line}\n`), `no ${line} in:\n${text.replaceAll(/^(#|nodejs|process).*\n/gm, '')}`);
  };
  await counted('larder_match_images_total{result="hit"} 0');

  const reference = `${registry.host}/app:1`;
  await client.call('CreateImageCache', { ImageCacheName: 'app', Image: [reference] });
  const text = 'larder_image_caches{status="Ready"} 1';
  for (const end = Date.now() + WAIT_MS; !(await scrape()).includes(text); await sleep(20))
    assert.ok(Date.now() < end, await scrape());
  const [layer] = image.layers;
  assert.ok(layer);
  await counted(`larder_layer_downloaded_bytes_total ${layer.bytes.byteLength}`);
  await counted('larder_builds_ended_total{result="Ready"} 1');
  await counted('larder_builds_running 0');

  await client.call('DescribeImageCaches', { MatchImage: [reference, reference, `${registry.host}/app:2`, 'nginx'] });
  await counted('larder_match_images_total{result="hit"} 1');
  await counted('larder_match_images_total{result="partial"} 1');
  await counted('larder_match_images_total{result="miss"} 1');
  await assert.rejects(client.call('NoSuchAction'));
  await counted('larder_api_calls_total{action="CreateImageCache",code="ok"} 1');
  await counted('larder_api_calls_total{action="unknown",code="InvalidApi.NotFound"} 1');
  assert.match(await scrape(), /^larder_api_call_duration_seconds_count\{action="DescribeImageCaches"\} \d+$/m);
  assert.match(await scrape(), /^process_resident_memory_bytes \d+$/m);

  const { ImageCaches } = await client.call('DescribeImageCaches');
  assert.ok(Array.isArray(ImageCaches));
  const snapshotId = String(ImageCaches[0].SnapshotId);
  const manifest = JSON.parse((await buffer((await client.openBody(`/snapshots/${snapshotId}`)).bytes)).toString());
  const { blob, blobBytes } = manifest.images[0].layers[0];
  await buffer((await client.openBody(`/snapshots/${snapshotId}/blobs/${blob}`)).bytes);
  await counted(`larder_blob_sent_bytes_total ${blobBytes}`);
  await counted('larder_blob_streams 0');

  // As a proxy on this machine passes on the request of another.
  const forwarded = { 'x-forwarded-for': '198.51.100.7' };
  assert.equal((await fetch(`${endpoint}/metrics`, { headers: forwarded })).status, 400);
  const statusFor = async (key: { id: string; secret: string }) => {
    const unsigned = {
      method: 'GET',
      origin: new URL(endpoint),
      path: '/metrics',
      query: new Map(),
      body: '',
    } as const;
    const signer = { credentials: { accessKeyId: key.id, accessKeySecret: key.secret }, nowMs: Date.now() };
    const { url, headers } = signRequest({ ...unsigned, headers: forwarded }, signer);
    return (await fetch(url, { headers })).status;
  };
  assert.equal(await statusFor(firstKey), 200);
  const admin = await openAdmin(dataDirectory);
  t.after(() => admin.close());
  const account = await findAccount(admin, undefined);
  const user = await createIdentity(admin, account, { type: 'user', name: 'prometheus' });
  const key = await createAccessKey(admin, { account, user });
  assert.equal(await statusFor(key), 403);
  const Statement = [{ Effect: 'Allow', Action: 'larder:GetMetrics', Resource: '*' }];
  await putPolicy(admin, account, { name: 'metrics', document: JSON.stringify({ Version: '1', Statement }) });
  await attachPolicy(admin, account, { identityId: user.id, policyName: 'metrics' });
  assert.equal(await statusFor(key), 200);
});
