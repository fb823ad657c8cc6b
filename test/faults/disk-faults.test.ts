/** The disk of a real server fails: the build fails with its reason, the server serves on, and all is well afterwards. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiCallError, type Client, createClient } from '../../src/client/index.ts';
import { ACCESS_KEY, type LarderServer, REGION_ID, startLarder } from '../support/larder-server.ts';
import { buildImage } from '../support/registry-image.ts';
import { skipWithout } from '../support/requirements.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import { failCalls, failOpens, holdDatabase, mountSmallDisk, type SmallDisk } from './support/failing-disk.ts';
import { createTally } from './support/tally.ts';

const MIB = 2 ** 20;
const DISK_BYTES = 32 * MIB;
const TIMEOUT_MS = 20_000;
const POLL_MS = 20;
const skip = skipWithout({ root: true, tools: ['strace', 'prlimit', 'mkfs.ext4', 'e2fsck', 'losetup', 'mount'] });

type CacheState = { Status: string; SnapshotId: string; Events: { Message: string }[] };

let registry: ScriptedRegistry;
let images = 0;
const tally = createTally(
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'read-only',
  'ENFILE',
  'EMFILE',
  'database away',
  'builds Ready after a fault',
);
before(async () => {
  registry = await startScriptedRegistry();
});
after(() => registry[Symbol.asyncDispose]());

/** An image with one layer of so many bytes that nobody has. */
function newImage(bytes = 20_000): string {
  const content = randomBytes(bytes);
  const tar = Buffer.concat([
    ...writeTar([
      { name: './', type: 'directory' },
      { name: 'data', type: 'file', content },
    ]),
  ]);
  const tag = `${++images}`;
  registry.putImage('team/app', buildImage({ layers: [tar], compression: 'none' }), tag);
  return `${registry.host}/team/app:${tag}`;
}

/** An image whose layer stops coming in the middle, the first time that it is asked for; when it has, and what lets it go on. */
function stallingImage(): { image: string; isReached: Promise<void>; goOn: () => void } {
  const image = newImage(MIB);
  const { promise: isReached, resolve: reach } = Promise.withResolvers<void>();
  const { promise: goesOn, resolve: goOn } = Promise.withResolvers<void>();
  registry.script('/blobs/', (_request, n) => {
    // The config comes first.
    if (n !== 1) return undefined;
    reach();
    return { stallAfter: MIB / 2, goesOn };
  });
  return { image, isReached, goOn };
}

const env = () => ({
  LARDER_PLAIN_HTTP_REGISTRIES: registry.host,
  LARDER_DECOMPRESSOR: 'node',
  LARDER_LIMITS: 'maxAttempts=2,maxRetryDelayMs=50,createsPerMinute=0',
});
const connect = ({ endpoint }: LarderServer) =>
  createClient({ ...ACCESS_KEY, endpoint, regionId: REGION_ID, timeoutMs: TIMEOUT_MS });

async function describeCache(client: Client, id: string): Promise<CacheState> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the form that the API's documents promise
  const answer = (await client.call('DescribeImageCaches', { ImageCacheId: id })) as { ImageCaches: CacheState[] };
  return answer.ImageCaches[0] ?? assert.fail(`no cache ${id}`);
}

/** Of the event stream and not of a call. */
async function firstEvent(client: Client, id: string): Promise<unknown> {
  for await (const event of client.openEvents('/events', { ImageCacheId: id })) return event;
  return undefined;
}

async function create(client: Client, image = newImage()): Promise<string> {
  return String((await client.call('CreateImageCache', { ImageCacheName: 'test', Image: [image] })).ImageCacheId);
}

async function settled(client: Client, id: string): Promise<CacheState> {
  for (const endMs = performance.now() + TIMEOUT_MS; ; await sleep(POLL_MS)) {
    const cache = await describeCache(client, id);
    if (['Ready', 'Failed'].includes(cache.Status)) return cache;
    assert.ok(performance.now() < endMs, `still ${cache.Status}: ${JSON.stringify(cache.Events)}`);
  }
}

async function mustFail(client: Client, image: string, reason: RegExp): Promise<void> {
  const { Status, Events } = await settled(client, await create(client, image));
  assert.equal(Status, 'Failed');
  assert.match(Events.map(({ Message }) => Message).join('\n'), reason);
}

async function mustWork(client: Client): Promise<void> {
  const { Status, Events } = await settled(client, await create(client));
  assert.equal(Status, 'Ready', JSON.stringify(Events));
  tally('builds Ready after a fault');
}

/** Refused as what may pass, not for a time-out or because something is not understood. */
async function refused(call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(error instanceof ApiCallError, String(error));
    assert.deepEqual([error.status, error.apiCode], [503, 'ServiceUnavailable']);
    return true;
  });
}

/** What tells one log of the database from the next (https://sqlite.org/fileformat2.html#walformat, "Salt-1"). */
async function logSalt({ dataDirectory }: LarderServer): Promise<string> {
  return (await readFile(join(dataDirectory, 'larder.db-wal'))).toString('hex', 16, 24);
}

describe('calls that fail', { skip, timeout: 120_000 }, () => {
  let server: LarderServer;
  let client: Client;
  before(async () => {
    server = await startLarder({ env: env() });
    client = connect(server);
    // The threads that write blobs are there from the first build on.
    await mustWork(client);
  });
  after(() => server[Symbol.asyncDispose]());

  for (const [calls, error, reason] of [
    ['pwrite64,pwritev', 'EIO', /disk of the data folder reports an error/],
    ['pwrite64,pwritev', 'ENOSPC', /disk of the data folder is full/],
    ['pwrite64,pwritev', 'EDQUOT', /quota is used up/],
    ['fsync,fdatasync', 'EIO', /disk of the data folder reports an error/],
    ['fsync,fdatasync', 'EDQUOT', /quota is used up/],
    ['rename,renameat,renameat2', 'EIO', /disk of the data folder reports an error/],
    ['openat', 'ENFILE', /too many open files|ENFILE/],
  ] as const) {
    test(`${error} of ${calls} for a blob`, async () => {
      {
        await using _fault = await failCalls(server.pid, { calls, error, threads: 'others' });
        await mustFail(client, newImage(), reason);
      }
      tally(error);
      await mustWork(client);
    });
  }

  for (const [calls, error] of [
    ['pwrite64', 'EIO'],
    ['pwrite64', 'ENOSPC'],
    ['pwrite64', 'EDQUOT'],
    ['fsync,fdatasync', 'EIO'],
  ] as const) {
    test(`${error} of ${calls} for the database: calls are refused, not lost`, async () => {
      const id = await create(client);
      await settled(client, id);
      const log = await logSalt(server);
      {
        await using _fault = await failCalls(server.pid, { calls, error, threads: 'main' });
        await refused(create(client));
        await refused(client.call('DeleteImageCache', { ImageCacheId: id }));
      }
      tally(error);
      assert.equal((await describeCache(client, id)).Status, 'Ready');
      await mustWork(client);
      // What a sync that failed may have lost of the log is a gap that no later commit may lie behind.
      if (error === 'EIO') assert.notEqual(await logSalt(server), log);
    });
  }

  test('EIO of pread64 for the database: reading is refused, and goes on afterwards', async () => {
    const id = await create(client);
    const { SnapshotId } = await settled(client, id);
    {
      await using _fault = await failCalls(server.pid, { calls: 'pread64', error: 'EIO', threads: 'main' });
      // What was committed just now is read from the log; whether a call needs that is SQLite's matter.
      await create(client).catch(() => undefined);
      // SQLite takes it for a damaged database.
      await refused(describeCache(client, id));
      await refused(firstEvent(client, id));
      await refused(client.openBody(`/snapshots/${SnapshotId}`, {}));
    }
    tally('database away');
    assert.equal((await describeCache(client, id)).Status, 'Ready');
    await mustWork(client);
  });

  test('another process holds the database for longer than anybody waits: a build goes on afterwards', async () => {
    const id = await create(client);
    await settled(client, id);
    const { image, isReached, goOn } = stallingImage();
    const building = await create(client, image);
    await isReached;
    {
      using _held = holdDatabase(join(server.dataDirectory, 'larder.db'));
      let isRefused = false;
      const creating = refused(create(client)).then(() => {
        isRefused = true;
      });
      // Who only reads is answered meanwhile, again and again.
      for (let read = 0; read < 20; read++) assert.equal((await describeCache(client, id)).Status, 'Ready');
      assert.equal(isRefused, false);
      await creating;
    }
    goOn();
    tally('database away');
    assert.equal((await describeCache(client, id)).Status, 'Ready');
    const built = await settled(client, building);
    assert.equal(built.Status, 'Ready', JSON.stringify(built.Events));
    await mustWork(client);
  });

  test('no file and no connection more', async () => {
    const image = newImage();
    const id = await create(client);
    await settled(client, id);
    tally('EMFILE');
    {
      await using _fault = await failOpens(server.pid);
      await mustFail(client, image, /EMFILE|too many open files/);
      assert.equal((await describeCache(client, id)).Status, 'Ready');
    }
    await mustWork(client);
  });
});

describe('a file system of its own', { skip, timeout: 120_000 }, () => {
  let disk: SmallDisk;
  let server: LarderServer;
  let client: Client;
  before(async () => {
    disk = await mountSmallDisk(DISK_BYTES);
    server = await startLarder({ env: env(), parent: disk.directory });
    client = connect(server);
  });
  after(async () => {
    try {
      await server[Symbol.asyncDispose]();
    } finally {
      await disk[Symbol.asyncDispose]();
    }
  });

  test('a layer that does not fit fails its build, and leaves the space as it was', async () => {
    await mustFail(client, newImage(DISK_BYTES), /disk of the data folder is full/);
    tally('ENOSPC');
    await mustWork(client);
  });

  test('with no space at all, calls are refused and reading goes on', async () => {
    const id = await create(client);
    await settled(client, id);
    const empty = await disk.fill();
    try {
      // The log of the database has some room yet.
      const creating = async () => {
        for (let count = 0; count < 400; count++) await create(client, newImage(10));
      };
      await refused(creating());
      assert.equal((await describeCache(client, id)).Status, 'Ready');
      tally('ENOSPC');
    } finally {
      await empty();
    }
    await mustWork(client);
  });

  test('a file system that the kernel has made read-only, in the middle of a build', async () => {
    const id = await create(client);
    await settled(client, id);
    const { image, isReached } = stallingImage();
    const building = await create(client, image);
    await isReached;
    await disk.breakDown();
    await refused(create(client));
    await refused(client.call('DeleteImageCache', { ImageCacheId: id }));
    assert.equal((await describeCache(client, id)).Status, 'Ready');
    assert.notEqual((await describeCache(client, building)).Status, 'Ready');
    await server.kill();
    await disk.repair();
    tally('read-only');
    await server.start();
    assert.equal((await describeCache(client, id)).Status, 'Ready');
    const built = await settled(client, building);
    assert.equal(built.Status, 'Ready', JSON.stringify(built.Events));
    await mustWork(client);
  });
});
