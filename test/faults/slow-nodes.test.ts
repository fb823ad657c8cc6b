/** More nodes than the server sends blobs to, all of them slow: each costs little, the API goes on, and all get their blob. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/index.ts';
import { createImageCacheClient } from '../support/image-cache-client.ts';
import { ACCESS_KEY, type LarderServer, REGION_ID, startLarder } from '../support/larder-server.ts';
import { enterOwnNetwork } from '../support/own-network.ts';
import { buildImage } from '../support/registry-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import { until } from '../support/until.ts';
import { privateBytes } from './support/memory.ts';

const MIB = 2 ** 20;
const WAIT_MS = 60_000;
const STREAMS = 1_000;
const NODES = STREAMS + 50;
/** Much more than the kernel and a client keep of a body that nobody reads. */
const BLOB_BYTES = MIB;
const RETRY_MS = 200;
/** With a buffer of 256 KiB for each it is over 250 MiB. */
const MAX_GROWN_BYTES = 150 * MIB;

describe('slow nodes', { skip: skipWithout({ root: true, tools: ['ip'] }) }, () => {
  let registry: ScriptedRegistry;
  let larder: LarderServer;
  const client = () =>
    createClient({ ...ACCESS_KEY, endpoint: larder.endpoint, regionId: REGION_ID, timeoutMs: WAIT_MS });

  before(async () => {
    await enterOwnNetwork();
    registry = await startScriptedRegistry();
    const env = {
      LARDER_LIMITS: `maxBlobStreams=${STREAMS},blobStallMs=60s`,
      LARDER_PLAIN_HTTP_REGISTRIES: registry.host,
    };
    larder = await startLarder({ env });
  });
  after(async () => {
    await larder?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  test(`${NODES} of them`, async (t) => {
    const { path, bytes } = await buildBlob();
    const gauge = async () => {
      const text = await (await fetch(`http://${larder.endpoint}/metrics`)).text();
      return Number(/^larder_blob_streams (\d+)$/m.exec(text)?.[1]);
    };
    let isSlow = true;
    let go = Promise.withResolvers<void>();
    /** Every node takes another chunk, of at most 64 KiB. */
    const takeOne = () => {
      go.resolve();
      go = Promise.withResolvers();
    };
    let refused = 0;
    async function node(): Promise<void> {
      let at = 0;
      for await (const chunk of await open()) {
        if (isSlow) await go.promise;
        assert.ok(bytes.subarray(at, at + chunk.length).equals(chunk), `other bytes at ${at}`);
        at += chunk.length;
      }
      assert.equal(at, bytes.length);
    }
    async function open(): Promise<AsyncIterable<Uint8Array>> {
      for (;;) {
        try {
          return (await client().openBody(path)).bytes;
        } catch (error) {
          assert.ok(error instanceof Error && 'apiCode' in error && error.apiCode === 'TooManyStreams', String(error));
          refused++;
          await sleep(RETRY_MS);
        }
      }
    }
    // What the first calls make once.
    for (let calls = 0; calls < 50; calls++) for await (const _ of (await client().openBody(path)).bytes);
    const beforeBytes = await privateBytes(larder.pid);
    const all = Promise.all(Array.from({ length: NODES }, node));
    const ended = all.then(() => 'all have it');
    ended.catch(() => undefined);
    await Promise.race([until('all streams taken', async () => (await gauge()) === STREAMS && refused > 50), all]);
    let mostBytes = 0;
    for (let calls = 0; calls < 10; calls++) {
      if (calls === 5) takeOne();
      await client().call('DescribeImageCaches');
      mostBytes = Math.max(mostBytes, (await privateBytes(larder.pid)) - beforeBytes);
      await sleep(100);
    }
    assert.equal(await gauge(), STREAMS, 'they were not slow enough');
    t.diagnostic(`${Math.round(mostBytes / MIB)} MiB more`);
    assert.ok(mostBytes < MAX_GROWN_BYTES, `${Math.round(mostBytes / MIB)} MiB more`);
    isSlow = false;
    takeOne();
    assert.equal(await Promise.race([ended, sleep(WAIT_MS, 'some wait', { ref: false })]), 'all have it');
    await until('no stream left', async () => (await gauge()) === 0);
  });

  async function buildBlob(): Promise<{ path: string; bytes: Buffer }> {
    const tar = Buffer.concat([...writeTar([{ name: 'data', type: 'file', content: randomBytes(BLOB_BYTES) }])]);
    registry.putImage('app', buildImage({ layers: [tar], compression: 'none' }), '1');
    await createImageCacheClient(larder.endpoint).createReady([`${registry.host}/app:1`], WAIT_MS);
    const answer = await client().call('DescribeImageCaches');
    assert.ok(Array.isArray(answer.ImageCaches));
    const snapshotId = String(answer.ImageCaches[0].SnapshotId);
    const manifest = await readFile(join(larder.dataDirectory, 'snapshots', `${snapshotId}.json`), 'utf8');
    const key = String(JSON.parse(manifest).images[0].layers[0].blob);
    const hex = key.slice('sha256:'.length);
    const file = join(larder.dataDirectory, 'layers/sha256', hex.slice(0, 2), `${hex}.erofs`);
    return { path: `/snapshots/${snapshotId}/blobs/${key}`, bytes: await readFile(file) };
  }
});
