/** What nodes fetch, on a real server in this process with a cache that was really built; and the limits of streams. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fastify from 'fastify';
import { buildImage } from '../../test/support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../../test/support/scripted-registry.ts';
import { writeTar } from '../../test/support/tar-writer.ts';
import { createClient } from '../client/index.ts';
import { loadServerConfig } from '../config/index.ts';
import { silentLogger } from '../lib/logger.ts';
import { addBlobRoutes } from './blob-routes.ts';
import { createFileSender } from './blob-routes-stream.ts';
import {
  type Admin,
  attachPolicy,
  createAccessKey,
  createAccount,
  createIdentity,
  findAccount,
  openAdmin,
  putPolicy,
  type RunningServer,
  startServer,
} from './index.ts';

const REGION = 'cn-hangzhou';
const WAIT_MS = 10_000;
type Key = { id: string; secret: string };

let directory: string;
let dataDirectory: string;
let registry: ScriptedRegistry;
let server: RunningServer;
let admin: Admin;
let root: Key;
let cacheId: string;
let snapshotId: string;
let key: string;
let blobDigest: string;
let bytes: Buffer;

const clientOf = ({ id, secret }: Key) =>
  createClient({
    endpoint: server.endpoint,
    regionId: REGION,
    timeoutMs: 5_000,
    accessKeyId: id,
    accessKeySecret: secret,
  });
const blobFile = () => join(dataDirectory, 'layers/sha256', key.slice(7, 9), `${key.slice(7)}.erofs`);
const blobPath = () => `/snapshots/${snapshotId}/blobs/${key}`;

async function fetchBody(path: string, { who = root, range }: { who?: Key; range?: string } = {}) {
  const answer = await clientOf(who).openBody(path, {}, range === undefined ? {} : { range });
  return { ...answer, body: await buffer(answer.bytes) };
}

function refused(promise: Promise<unknown>, apiCode: string, status: number): Promise<void> {
  return assert.rejects(promise, (error: Error & { apiCode?: string; status?: number }) => {
    assert.deepEqual([error.apiCode, error.status], [apiCode, status], error.message);
    return true;
  });
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-blobs-'));
  dataDirectory = join(directory, 'data');
  registry = await startScriptedRegistry();
  const content = randomBytes(300_000);
  const tar = Buffer.concat([...writeTar([{ name: 'data', type: 'file', content }])]);
  registry.putImage('app', buildImage({ layers: [tar] }), '1');
  const flags = { dataDirectory, defaultRegionId: REGION, listen: '127.0.0.1:0', logLevel: 'silent' };
  server = await startServer(loadServerConfig({ LARDER_PLAIN_HTTP_REGISTRIES: registry.host }, flags));
  assert.ok(server.firstKey);
  root = server.firstKey;
  admin = await openAdmin(dataDirectory);
  const image = [`${registry.host}/app:1`];
  const created = await clientOf(root).call('CreateImageCache', { ImageCacheName: 'app', Image: image });
  cacheId = String(created.ImageCacheId);
  for (const end = Date.now() + WAIT_MS; ; await sleep(20)) {
    assert.ok(Date.now() < end, 'the cache did not become Ready');
    const { ImageCaches } = await clientOf(root).call('DescribeImageCaches', { ImageCacheId: cacheId });
    assert.ok(Array.isArray(ImageCaches));
    if (ImageCaches[0].Status !== 'Ready') continue;
    snapshotId = ImageCaches[0].SnapshotId;
    break;
  }
  const snapshot = JSON.parse(await readFile(join(dataDirectory, 'snapshots', `${snapshotId}.json`), 'utf8'));
  ({ blob: key, blobDigest } = snapshot.images[0].layers[0]);
  bytes = await readFile(blobFile());
});
after(async () => {
  await admin?.close();
  await server?.stop();
  await registry?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

test('the manifest, the blob, and ranges of it', async () => {
  const manifest = await fetchBody(`/snapshots/${snapshotId}`);
  assert.deepEqual(manifest.body, await readFile(join(dataDirectory, 'snapshots', `${snapshotId}.json`)));

  const whole = await fetchBody(blobPath());
  assert.equal(whole.status, 200);
  assert.ok(whole.body.equals(bytes));
  assert.equal(whole.headers.get('etag'), `"${blobDigest}"`);
  assert.equal(whole.headers.get('content-length'), String(bytes.length));

  const part = await fetchBody(blobPath(), { range: 'bytes=200000-' });
  assert.equal(part.status, 206);
  assert.equal(part.headers.get('content-range'), `bytes 200000-${bytes.length - 1}/${bytes.length}`);
  assert.ok(part.body.equals(bytes.subarray(200_000)));
  assert.ok((await fetchBody(blobPath(), { range: 'bytes=5-5' })).body.equals(bytes.subarray(5, 6)));
  await refused(fetchBody(blobPath(), { range: `bytes=${bytes.length}-` }), 'InvalidRange', 416);
});

test('a manifest that was written anew, after a rebuild, holds at once', async () => {
  assert.equal((await fetchBody(blobPath())).headers.get('etag'), `"${blobDigest}"`);
  const path = join(dataDirectory, 'snapshots', `${snapshotId}.json`);
  const text = await readFile(path, 'utf8');
  const renewed = `sha256:${'5'.repeat(64)}`;
  await writeFile(path, text.replaceAll(blobDigest, renewed));
  try {
    assert.equal((await fetchBody(blobPath())).headers.get('etag'), `"${renewed}"`);
  } finally {
    await writeFile(path, text);
  }
});

test('without a signature nothing is told apart', async () => {
  for (const path of [`/snapshots/${snapshotId}`, blobPath(), '/snapshots/x/blobs/y']) {
    const answer = await fetch(`${server.endpoint}${path}?RegionId=${REGION}`);
    assert.equal(answer.status, 400);
    assert.doesNotMatch(await answer.text(), /RandomBytes|NotFound/);
  }
});

test('another account sees neither the snapshot nor its blobs; a snapshot opens only its own blobs', async () => {
  const other = await createAccount(admin, { name: 'other' });
  for (const path of [`/snapshots/${snapshotId}`, blobPath()])
    await refused(fetchBody(path, { who: other.key }), 'InvalidParameter.NotFound', 404);
  await refused(fetchBody(`/snapshots/${snapshotId}/blobs/sha256:${'0'.repeat(64)}`), 'InvalidParameter.NotFound', 404);
  await refused(fetchBody(`/snapshots/${snapshotId}/blobs/..%2f..%2flarder.db`), 'InvalidParameter.NotFound', 404);
  await refused(fetchBody(`/snapshots/..%2flarder`), 'InvalidParameter.NotFound', 404);
});

test('a RAM user needs the right to see the cache', async () => {
  const account = await findAccount(admin, 'default');
  const keyWith = async (name: string, resource: string | undefined): Promise<Key> => {
    const user = await createIdentity(admin, account, { type: 'user', name });
    if (resource !== undefined) {
      const Statement = [{ Effect: 'Allow', Action: 'eci:DescribeImageCaches', Resource: resource }];
      await putPolicy(admin, account, { name, document: JSON.stringify({ Version: '1', Statement }) });
      await attachPolicy(admin, account, { identityId: user.id, policyName: name });
    }
    return createAccessKey(admin, { account, user });
  };
  const reader = await keyWith('reader', `acs:eci:*:*:imagecache/${cacheId}`);
  assert.ok((await fetchBody(blobPath(), { who: reader })).body.equals(bytes));
  const stranger = await keyWith('stranger', 'acs:eci:*:*:imagecache/imc-other');
  await refused(fetchBody(blobPath(), { who: stranger }), 'NoPermission', 403);
  // An id sent along does not stand for the cache of the snapshot.
  const sent = clientOf(stranger).openBody(blobPath(), { ImageCacheId: 'imc-other' });
  await refused(sent, 'NoPermission', 403);
  await refused(fetchBody(blobPath(), { who: await keyWith('nobody', undefined) }), 'NoPermission', 403);
});

test('a blob that was written to, or is not there, is not served', async () => {
  const path = blobFile();
  await writeFile(path, bytes);
  await refused(fetchBody(blobPath()), 'BlobNotVerified', 503);
  await utimes(path, 0, 0);
  assert.equal((await fetchBody(blobPath())).status, 200);
  await rm(path);
  await refused(fetchBody(blobPath()), 'BlobMissing', 503);
  // Whatever else keeps it from being read.
  await symlink(path, path);
  await refused(fetchBody(blobPath()), 'BlobUnreadable', 503);
  await rm(path);
  await writeFile(path, bytes);
  await utimes(path, 0, 0);
});

test('a reader that takes nothing is cut off, one that takes a little is not', async (t) => {
  const path = join(directory, 'large');
  await writeFile(path, Buffer.alloc(32 << 20, 7));
  const file = await open(path);
  let sent = 0;
  let stallMs = 300;
  const ended: Promise<void>[] = [];
  const listener = createServer((_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'content-length': 32 << 20 });
    const onBytes = (count: number) => {
      sent += count;
    };
    const options = { name: path, from: 0, end: 32 << 20, stallMs, onBytes };
    ended.push(createFileSender()(file, response, options));
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(async () => {
    listener.closeAllConnections();
    listener.close();
    await file.close();
  });
  const address = listener.address();
  assert.ok(address !== null && typeof address === 'object');
  const request = get({ host: '127.0.0.1', port: address.port });
  const [response]: [IncomingMessage] = await new Promise((resolve) => {
    request.once('response', (answer) => resolve([answer]));
  });
  response.on('error', () => undefined);
  response.pause();
  await Promise.all(ended);
  assert.ok(sent < 32 << 20, 'all of it went into buffers');

  // Ten times the pause of the reader, and more than a busy machine adds to it.
  stallMs = 10_000;
  const whole = await fetch(`http://127.0.0.1:${address.port}`);
  let read = 0;
  for await (const chunk of whole.body ?? []) {
    if (read === 0) await sleep(1_000);
    read += chunk.length;
  }
  assert.equal(read, 32 << 20);
});

test('beyond the limit of streams, nodes are told to come again', async (t) => {
  const path = join(directory, 'limited');
  await writeFile(path, Buffer.alloc(32 << 20));
  await utimes(path, 0, 0);
  const manifest = JSON.parse(await readFile(join(dataDirectory, 'snapshots', `${snapshotId}.json`), 'utf8'));
  manifest.images[0].layers[0].blobBytes = 32 << 20;
  const app = fastify();
  addBlobRoutes(app, {
    authenticate: async () => ({ accountId: '1', accessKeyId: 'a', principal: { type: 'Account', id: '1' } }),
    authorize: async () => undefined,
    guard: async () => undefined,
    store: { caches: { find: async () => ({ caches: [{ id: 'imc-1' }] }) } },
    blobs: { path: () => path, getSnapshot: async () => JSON.stringify(manifest) },
    log: silentLogger,
    stopping: new AbortController().signal,
    limits: { maxBlobStreams: 1, blobStallMs: 30_000 },
  });
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}${blobPath()}?RegionId=r`;
  t.after(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  const slow = await fetch(url);
  const refusedAnswer = await fetch(url);
  assert.equal(refusedAnswer.status, 503);
  assert.equal(refusedAnswer.headers.get('retry-after'), '5');
  assert.equal((await slow.arrayBuffer()).byteLength, 32 << 20);
  // The reader knows of the end a moment before the server does.
  const again = async (options: RequestInit) => {
    for (const end = Date.now() + WAIT_MS; ; await sleep(5)) {
      const answer = await fetch(url, options);
      if (answer.status !== 503) return answer;
      assert.ok(Date.now() < end, 'the stream did not end');
    }
  };
  const head = await again({ method: 'HEAD', headers: { range: 'bytes=1-2' } });
  assert.deepEqual([head.status, head.headers.get('content-length')], [206, '2']);
  const beyond = await again({ headers: { range: 'bytes=99999999-' } });
  assert.deepEqual([beyond.status, beyond.headers.get('content-range')], [416, `bytes */${32 << 20}`]);
  const changed = await again({ headers: { range: 'bytes=1-2', 'if-range': '"other"' } });
  assert.equal(changed.status, 200);
  await changed.body?.cancel();
});
