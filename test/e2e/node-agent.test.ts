/** The node agent as a real process against a real server: what it fetches, what it survives, what it keeps and removes. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/index.ts';
import { type AgentStatus, createAgentClient } from '../../src/nodes/agent/index.ts';
import { ACCESS_KEY, type LarderServer, REGION_ID, startLarder } from '../support/larder-server.ts';
import { buildImage, type TestImage } from '../support/registry-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { startSlowProxy } from '../support/slow-proxy.ts';
import { type TarEntry, writeTar } from '../support/tar-writer.ts';
import { until } from '../support/until.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const MIB = 1 << 20;
const WAIT_MS = 30_000;
const never = new AbortController().signal;
const skip = skipWithout({ root: true, filesystems: ['erofs', 'overlay'] });

let home: string;
let registry: ScriptedRegistry;
let larder: LarderServer;
let names = 0;

before(async () => {
  home = await mkdtemp(join(tmpdir(), 'larder-agent-'));
  registry = await startScriptedRegistry();
  larder = await startLarder();
});
after(async () => {
  await larder?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

// ---- what the tests are made of ----

const client = (endpoint = larder.endpoint) =>
  createClient({ ...ACCESS_KEY, endpoint, regionId: REGION_ID, timeoutMs: 10_000 });

function imageOf(...files: Record<string, Buffer>[]): TestImage {
  const layers = files.map((each) => {
    const entries: TarEntry[] = [{ name: './', type: 'directory', mode: 0o755 }];
    for (const [name, content] of Object.entries(each)) entries.push({ name, type: 'file', mode: 0o644, content });
    return Buffer.concat([...writeTar(entries)]);
  });
  return buildImage({ layers, compression: 'none' });
}

type Cache = {
  id: string;
  name: string;
  reference: string;
  snapshotId: string;
  blobs: { key: string; bytes: number }[];
};

/** A Ready cache of a new image with these files, a layer each. */
async function createCache(...files: Record<string, Buffer>[]): Promise<Cache> {
  const name = `c${++names}`;
  registry.putImage(name, imageOf(...files), '1');
  const reference = `${registry.host}/${name}:1`;
  const answer = await client().call('CreateImageCache', {
    ImageCacheName: name,
    Image: [reference],
    PlainHttpRegistry: registry.host,
  });
  return ready({ id: String(answer.ImageCacheId), name, reference });
}

async function ready(cache: Pick<Cache, 'id' | 'name' | 'reference'>, old = ''): Promise<Cache> {
  for (const end = Date.now() + WAIT_MS; ; await sleep(30)) {
    const { ImageCaches } = await client().call('DescribeImageCaches', { ImageCacheId: cache.id });
    assert.ok(Array.isArray(ImageCaches) && Date.now() < end, JSON.stringify(ImageCaches));
    const { Status, SnapshotId } = ImageCaches[0];
    if (Status !== 'Ready' || SnapshotId === old) continue;
    const manifest = JSON.parse(await readFile(join(larder.dataDirectory, 'snapshots', `${SnapshotId}.json`), 'utf8'));
    const blobs = manifest.images[0].layers.map((layer: { blob: string; blobBytes: number }) => {
      return { key: layer.blob, bytes: layer.blobBytes };
    });
    return { ...cache, snapshotId: SnapshotId, blobs };
  }
}

function blobFile(data: string, key = ''): string {
  const hex = key.slice('sha256:'.length);
  return join(data, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`);
}
const partFile = (data: string, key = '') => `${blobFile(data, key)}.part`;
const sizeOf = (path: string) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

type RunningAgent = {
  data: string;
  log(): string;
  status(): Promise<AgentStatus>;
  until(what: string, condition: (status: AgentStatus) => boolean): Promise<AgentStatus>;
  attach(reference: string, directory: string): Promise<{ Directory: string }>;
  detach(directory: string): Promise<unknown>;
  end(signal: NodeJS.Signals): Promise<number | null>;
};

const environment = (endpoint: string) => ({
  ...process.env,
  LARDER_ENDPOINT: `http://${endpoint}`,
  LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
  LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
  LARDER_REGION: REGION_ID,
});
const folder = () => join(home, `node-${++names}`);

/** `larder node run`, ended with the test. */
async function startAgent(
  t: TestContext,
  args: readonly string[],
  { data = folder(), endpoint = larder.endpoint }: { data?: string; endpoint?: string } = {},
): Promise<RunningAgent> {
  const argv = [MAIN, 'node', 'run', '--data', data, '--interval', '1', ...args];
  const child: ChildProcess = spawn(process.execPath, argv, {
    env: environment(endpoint),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const ended = once(child, 'exit');
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await ended;
    return child.exitCode;
  };
  t.after(() => end('SIGKILL'));
  const agent = createAgentClient(data, never);
  const untilStatus = async (what: string, condition: (status: AgentStatus) => boolean) => {
    let status: AgentStatus | undefined;
    for (const stop = Date.now() + WAIT_MS; Date.now() < stop; await sleep(50)) {
      status = await agent.status().catch(() => undefined);
      if (status && condition(status)) return status;
      assert.equal(child.exitCode, null, log);
    }
    throw new Error(`not ${what}: ${JSON.stringify(status)}\n${log}`);
  };
  return {
    data,
    log: () => log,
    status: () => agent.status(),
    until: untilStatus,
    attach: (reference, directory) => agent.attach(reference, directory),
    detach: (directory) => agent.detach(directory),
    end,
  };
}

const isLocal = (cache: Cache) => (status: AgentStatus) =>
  status.Caches.some(({ SnapshotId, State }) => SnapshotId === cache.snapshotId && State === 'local');
const isFailed = (cache: Cache) => (status: AgentStatus) =>
  status.Caches.some(({ SnapshotId, State }) => SnapshotId === cache.snapshotId && State === 'failed');

async function assertSame(data: string, cache: Cache): Promise<void> {
  for (const { key } of cache.blobs) {
    const path = blobFile(data, key);
    assert.ok((await readFile(path)).equals(await readFile(blobFile(larder.dataDirectory, key))), `${key} differs`);
    assert.equal((await stat(path)).mtimeMs, 0, 'not marked as verified');
    assert.ok(!existsSync(partFile(data, key)));
  }
}

/** Runs `larder …` as a client of the server; its exit code and output. */
async function cli(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: environment(larder.endpoint) });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  await once(child, 'close');
  return { code: child.exitCode, out, err };
}

// ---- the tests ----

test('fetches by name, id and tag; says what it has; ends cleanly on SIGTERM', async (t) => {
  const one = await createCache({ a: randomBytes(3 * MIB) }, { b: Buffer.from('b') });
  const two = await createCache({ c: randomBytes(100) });
  const three = await createCache({ d: randomBytes(100) });
  const other = await createCache({ e: randomBytes(100) });
  await client().call('TagResources', {
    ResourceType: 'ImageCache',
    ResourceId: [three.id],
    Tag: [{ Key: 'env', Value: 'prod' }],
  });
  const agent = await startAgent(t, [
    '--cache',
    one.name,
    '--cache',
    two.id,
    '--tag',
    'env=prod',
    '--cache',
    'no-such',
  ]);
  const status = await agent.until('local', (each) => [one, two, three].every((cache) => isLocal(cache)(each)));
  for (const cache of [one, two, three]) await assertSame(agent.data, cache);
  assert.ok(!existsSync(blobFile(agent.data, other.blobs[0]?.key)));
  assert.equal(status.Server, 'reachable');
  assert.deepEqual(status.Missing, ['no-such']);
  assert.equal(statSync(join(agent.data, 'agent.sock')).mode & 0o777, 0o600);

  const human = await cli('node', 'status', '--data', agent.data);
  assert.match(human.out, new RegExp(`${one.id} +${one.name} +local +2 +3\\.\\d MB +${one.reference}`));
  const second = await cli('node', 'run', '--all', '--data', agent.data);
  assert.equal(second.code, 1);
  assert.match(second.err, /another larder node run uses/);

  assert.equal(await agent.end('SIGTERM'), 0);
  assert.ok(!existsSync(join(agent.data, 'agent.sock')));
  const without = await cli('node', 'status', '--data', agent.data);
  assert.match(without.err, /no agent answers .* start it with: larder node run/);
});

test('--once fetches and ends; a selection that is not whole is a failure', async () => {
  const cache = await createCache({ a: randomBytes(1000) });
  const data = folder();
  const done = await cli('node', 'run', '--once', '--cache', cache.name, '--data', data);
  assert.equal(done.code, 0, done.err);
  await assertSame(data, cache);
  const missing = await cli('node', 'run', '--once', '--cache', 'no-such', '--data', data);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /no image cache matches no-such/);
  assert.ok(!existsSync(blobFile(data, cache.blobs[0]?.key)), 'what is not chosen stays');
  assert.equal((await cli('node', 'run', '--data', data)).code, 2);
});

test('goes on after kill -9 in mid-download, from where it was', async (t) => {
  const cache = await createCache({ a: randomBytes(24 * MIB) }, { b: randomBytes(MIB) });
  const [blob] = cache.blobs;
  assert.ok(blob);
  await using proxy = await startSlowProxy(larder.endpoint, 12 * MIB);
  const data = folder();
  const first = await startAgent(t, ['--cache', cache.id], { data, endpoint: proxy.host });
  await until('half there', () => sizeOf(partFile(data, blob.key)) >= 10 * MIB);
  const { Downloads, Caches } = await first.status();
  assert.equal(Downloads[0]?.Blob, blob.key);
  const [fetching] = Caches;
  assert.equal(fetching?.State, 'fetching');
  // The small blob is there, and counts.
  assert.ok(
    fetching && fetching.LocalBytes > 11 * MIB && fetching.LocalBytes < fetching.Bytes,
    JSON.stringify(fetching),
  );
  await first.end('SIGKILL');
  const wasThere = sizeOf(partFile(data, blob.key));
  const sentBefore = proxy.bytes();
  proxy.setRate(Infinity);
  const second = await startAgent(t, ['--cache', cache.id], { data, endpoint: proxy.host });
  await second.until('local', isLocal(cache));
  await assertSame(data, cache);
  const sentAfter = proxy.bytes() - sentBefore;
  assert.ok(sentAfter < blob.bytes - wasThere + 2 * MIB, `${sentAfter} bytes after ${wasThere} were there`);
});

test('what an earlier process left is not trusted: wrong bytes in it are fetched anew', async (t) => {
  const cache = await createCache({ a: randomBytes(4 * MIB) });
  const [blob] = cache.blobs;
  assert.ok(blob);
  const data = folder();
  const part = partFile(data, blob.key);
  await mkdir(join(part, '..'), { recursive: true });
  const good = await readFile(blobFile(larder.dataDirectory, blob.key));
  // As a power cut leaves it: the length is there, the bytes are not.
  await writeFile(part, Buffer.concat([good.subarray(0, MIB), Buffer.alloc(MIB), good.subarray(2 * MIB, 2 * MIB + 7)]));
  const agent = await startAgent(t, ['--cache', cache.id], { data });
  await agent.until('local', isLocal(cache));
  await assertSame(data, cache);
});

test('bytes changed on the way are never published', async (t) => {
  const cache = await createCache({ a: randomBytes(2 * MIB) });
  const proxy = await startChangingProxy(t);
  proxy.changes = true;
  const agent = await startAgent(t, ['--cache', cache.id], { endpoint: proxy.host });
  const status = await agent.until('failed', isFailed(cache));
  assert.match(status.Caches[0]?.Error ?? '', /are not what was built/);
  const key = cache.blobs[0]?.key;
  assert.ok(
    !existsSync(blobFile(agent.data, key)) && !existsSync(join(agent.data, 'snapshots', `${cache.snapshotId}.json`)),
  );
  proxy.changes = false;
  await agent.until('local', isLocal(cache));
  await assertSame(agent.data, cache);
});

test('a blob written to on the node is fetched again', async (t) => {
  const cache = await createCache({ a: randomBytes(2 * MIB) });
  const agent = await startAgent(t, ['--cache', cache.id]);
  await agent.until('local', isLocal(cache));
  const path = blobFile(agent.data, cache.blobs[0]?.key);
  const file = await open(path, 'r+');
  await file.write(Buffer.from('damaged'), 0, 7, MIB);
  await file.close();
  await until('repaired', () => statSync(path, { throwIfNoEntry: false })?.mtimeMs === 0);
  await assertSame(agent.data, cache);
});

test('--server-data links blobs instead of copying them', async () => {
  const cache = await createCache({ a: randomBytes(MIB) });
  const data = join(larder.dataDirectory, '..', `linked-${++names}`);
  const args = ['--cache', cache.id, '--data', data, '--server-data', larder.dataDirectory];
  const done = await cli('node', 'run', '--once', ...args);
  assert.equal(done.code, 0, done.err);
  const key = cache.blobs[0]?.key;
  assert.equal(statSync(blobFile(data, key)).ino, statSync(blobFile(larder.dataDirectory, key)).ino);
  await assertSame(data, cache);
});

test('an update replaces the content once the new one is whole', async (t) => {
  const old = await createCache({ a: randomBytes(1000) });
  const agent = await startAgent(t, ['--cache', old.id]);
  await agent.until('local', isLocal(old));
  registry.putImage(old.name, imageOf({ b: randomBytes(1000) }), '2');
  const reference = old.reference.replace(/:1$/, ':2');
  await client().call('UpdateImageCache', {
    ImageCacheId: old.id,
    Image: [reference],
    PlainHttpRegistry: registry.host,
  });
  const updated = await ready({ ...old, reference }, old.snapshotId);
  await agent.until('updated', (status) => isLocal(updated)(status) && status.Caches.length === 1);
  await until('rid of the old blob', () => !existsSync(blobFile(agent.data, old.blobs[0]?.key)));
  await assertSame(agent.data, updated);
});

test('on a terminal, bars show what is on its way', { skip: skipWithout({ tools: ['script'] }) }, async () => {
  const cache = await createCache({ a: randomBytes(4 * MIB) });
  await using proxy = await startSlowProxy(larder.endpoint, 2 * MIB);
  const args = ['node', 'run', '--once', '--cache', cache.id, '--data', folder()];
  const command = [process.execPath, MAIN, ...args].join(' ');
  const env = { ...environment(proxy.host), TERM: 'xterm' };
  const shown = await run('script', ['--quiet', '--return', '--command', command, '/dev/null'], { env });
  assert.match(shown, new RegExp(`fetching  cache=${cache.id} `));
  const name = cache.blobs[0]?.key.slice('sha256:'.length).slice(0, 12);
  assert.match(shown, new RegExp(`${name} █+░+ [1-9]\\d?%  [\\d.]+ MB of 4\\.\\d MB`));
  assert.match(shown, /local {2}cache=/);
  assert.ok(shown.includes('\u001b[?25h'), 'the cursor was not given back');
});

describe('with mounts', { skip }, () => {
  test('attach while the server is away; what is no longer chosen stays while it is mounted', async (t) => {
    const cache = await createCache({ hello: Buffer.from('hello from a node\n') }, { b: randomBytes(1000) });
    const kept = await createCache({ other: Buffer.from('other') });
    const data = folder();
    const first = await startAgent(t, ['--cache', cache.id, '--cache', kept.id], { data });
    await first.until('local', (status) => isLocal(cache)(status) && isLocal(kept)(status));
    await larder.stop();
    await first.until('away', (status) => status.Server === 'away');
    await first.end('SIGTERM');

    // A start without the server: what is here works.
    const agent = await startAgent(t, ['--cache', cache.id, '--cache', kept.id], { data });
    await agent.until('away', (status) => status.Server === 'away' && isLocal(cache)(status));
    const root = join(home, `root-${++names}`);
    const attached = await cli('node', 'attach', cache.reference, root, '--data', data);
    assert.equal(attached.code, 0, attached.err);
    t.after(() => agent.detach(root).catch(() => undefined));
    assert.equal(readFileSync(join(root, 'hello'), 'utf8'), 'hello from a node\n');
    const times: number[] = [];
    for (let round = 0; round < 20; round++) {
      const startMs = performance.now();
      await agent.attach(cache.reference, join(home, 'again'));
      times.push(performance.now() - startMs);
      await agent.detach(join(home, 'again'));
    }
    t.diagnostic(`attach through the agent: ${times.map((ms) => ms.toFixed(1)).join(' ')} ms`);
    await assert.rejects(agent.attach('nginx:1', join(home, 'x')), { code: 'agent.not-local' });

    await larder.start();
    await agent.until('reachable', (status) => status.Server === 'reachable');
    assert.equal(agent.log().match(/"msg":"the server is away"/g)?.length, 1);
    await client().call('DeleteImageCache', { ImageCacheId: cache.id });
    await agent.until('removed', (status) => status.Caches.every(({ ImageCacheId }) => ImageCacheId !== cache.id));
    await sleep(1500);
    assert.equal(readFileSync(join(root, 'hello'), 'utf8'), 'hello from a node\n');
    assert.ok(existsSync(blobFile(data, cache.blobs[0]?.key)), 'a mounted blob was removed');
    assert.ok(existsSync(blobFile(data, kept.blobs[0]?.key)));

    assert.equal((await cli('node', 'detach', root, '--data', data)).code, 0);
    await until('rid of its blobs', () => !existsSync(blobFile(data, cache.blobs[0]?.key)));
    assert.deepEqual(readdirSync(join(data, 'snapshots')), [`${kept.snapshotId}.json`]);
  });

  test('what is attached counts as used; an image that is not here is looked for on the server', async (t) => {
    const cache = await createCache({ a: Buffer.from('a') });
    const other = await createCache({ b: Buffer.from('b') });
    const agent = await startAgent(t, ['--cache', cache.id]);
    await agent.until('local', isLocal(cache));
    const hits = async () => {
      const metrics = await (await fetch(`http://${larder.endpoint}/metrics`)).text();
      return Number(/^larder_match_images_total\{.*"hit".*\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
    };
    const lastMatched = async () => {
      const { ImageCaches } = await client().call('DescribeImageCaches', { ImageCacheId: cache.id });
      assert.ok(Array.isArray(ImageCaches));
      return String(ImageCaches[0].LastMatchedTime ?? '');
    };
    const [hitsBefore, matchedBefore] = [await hits(), await lastMatched()];
    const root = join(home, `root-${++names}`);
    await agent.attach(cache.reference, root);
    await agent.detach(root);
    await until('counted', async () => (await hits()) === hitsBefore + 1);
    await until('noted', async () => (await lastMatched()) !== matchedBefore);

    const rejects = (reference: string, message: RegExp) =>
      assert.rejects(agent.attach(reference, join(home, 'x')), { code: 'agent.not-local', message });
    await rejects(
      other.reference,
      new RegExp(`${other.id} holds it: choose that with larder node run --cache ${other.id}`),
    );
    const version = other.reference.replace(/:1$/, ':9');
    await rejects(version, new RegExp(`${other.id} holds another version of it, ${other.reference}`));
    await rejects('nginx:1', /no image cache holds it: make one with larder create/);
  });

  test('a full disk: what fits is served, the rest is an error that says so', async (t) => {
    const large = await createCache({ a: randomBytes(30 * MIB) });
    const small = await createCache({ b: randomBytes(MIB) });
    const data = folder();
    await mkdir(data);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', data]);
    t.after(() => execFileSync('umount', ['-l', data]));
    const agent = await startAgent(t, ['--cache', large.id, '--cache', small.id], { data });
    const status = await agent.until('half', (each) => isFailed(large)(each) && isLocal(small)(each));
    const failed = status.Caches.find(({ State }) => State === 'failed');
    assert.match(failed?.Error ?? '', /the disk of the data folder is too full .*free space/);
    assert.ok(!existsSync(partFile(data, large.blobs[0]?.key)));
    // Room was made.
    execFileSync('mount', ['-o', 'remount,size=80m', data]);
    await agent.until('local', isLocal(large));
    await assertSame(data, large);
    await agent.end('SIGTERM');
  });
});

test('node match: hit, partial, miss', async () => {
  const cache = await createCache({ a: randomBytes(100) });
  const other = cache.reference.replace(/:1$/, ':9');
  const found = await cli('node', 'match', cache.reference, other, 'nginx:1', '--data', home, '-o', 'json');
  assert.equal(found.code, 0, found.err);
  const { Images } = JSON.parse(found.out);
  assert.deepEqual(
    Images.map(({ Reference, Result, ImageCacheId, Image }: Record<string, string>) => [
      Reference,
      Result,
      ImageCacheId,
      Image,
    ]),
    [
      [cache.reference, 'hit', cache.id, cache.reference],
      [other, 'partial', cache.id, cache.reference],
      ['nginx:1', 'miss', undefined, undefined],
    ],
  );
  assert.match((await cli('node', 'match', cache.reference, '--data', home)).out, /^RESULT .*\nhit +/);
});

/** In front of the server; changes a byte in the middle of every blob while it is told to. */
async function startChangingProxy(t: TestContext): Promise<{ host: string; changes: boolean }> {
  const [host, port] = larder.endpoint.split(':');
  const proxy = createServer((incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method, url = '', headers } = incoming;
    const upstream = request({ host, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      let seen = 0;
      answer.on('data', (chunk: Buffer) => {
        const at = MIB - seen;
        if (state.changes && url.includes('/blobs/') && at >= 0 && at < chunk.length)
          chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
        seen += chunk.length;
        outgoing.write(chunk);
      });
      answer.on('end', () => outgoing.end());
    });
    upstream.on('error', () => outgoing.destroy());
    incoming.pipe(upstream);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  const address = proxy.address();
  assert.ok(address !== null && typeof address === 'object');
  const state = { host: `127.0.0.1:${address.port}`, changes: false };
  return state;
}
