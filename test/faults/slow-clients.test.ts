/** Callers that are slow on purpose: they cost little, are cut in the end, and stop nobody else. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/index.ts';
import { ACCESS_KEY, type LarderServer, REGION_ID, startLarder } from '../support/larder-server.ts';
import { privateBytes } from './support/memory.ts';
import { createTally } from './support/tally.ts';

const MIB = 2 ** 20;
const WAIT_MS = 15_000;
const CONNECTIONS = 1_000;
const SLOW_BODIES = 250;
/** A twelfth of it is what the server keeps; the rest is what was read and is not collected yet, which differs from run to run. */
const MAX_BODY_BYTES = 400 * MIB;
const LIMITS = 'requestMs=3s,answerMs=2s,maxConnectionsPerAddress=1200,maxBodyBufferBytes=32MiB';

let larder: LarderServer;
const tally = createTally('slow connections');
let address: { host: string; port: number };
const client = () =>
  createClient({ ...ACCESS_KEY, endpoint: larder.endpoint, regionId: REGION_ID, timeoutMs: WAIT_MS });

before(async () => {
  larder = await startLarder({ env: { LARDER_LIMITS: LIMITS } });
  const [host = '', port] = larder.endpoint.split(':');
  address = { host, port: Number(port) };
  for (let calls = 0; calls < 50; calls++) await client().call('DescribeImageCaches');
});
after(() => larder[Symbol.asyncDispose]());

async function open(): Promise<Socket> {
  const socket = connect(address);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  tally('slow connections');
  return socket;
}

function closed(sockets: readonly Socket[]): Promise<unknown> {
  const signal = AbortSignal.timeout(WAIT_MS);
  return Promise.all(sockets.filter((socket) => !socket.closed).map((socket) => once(socket, 'close', { signal })));
}

test(`${CONNECTIONS} connections that send a byte now and then`, async () => {
  const beforeBytes = await privateBytes(larder.pid);
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  for (const socket of sockets) socket.resume().write('POST / HTTP/1.1\r\nhost: x\r\nx-slow: ');
  const dripping = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('a');
  }, 500);
  try {
    for (let calls = 0; calls < 20; calls++) assert.equal((await client().call('DescribeImageCaches')).TotalCount, 0);
    const grownBytes = (await privateBytes(larder.pid)) - beforeBytes;
    assert.ok(grownBytes < 64 * MIB, `${grownBytes / MIB} MiB`);
    await closed(sockets);
  } finally {
    clearInterval(dripping);
  }
});

test('bodies that stop on the way share a bounded memory; small ones pass all the same', async (t) => {
  const beforeBytes = await privateBytes(larder.pid);
  const sockets = await Promise.all(Array.from({ length: SLOW_BODIES }, open));
  const answers: string[] = [];
  for (const socket of sockets) {
    socket.on('data', (chunk) => answers.push(String(chunk)));
    socket.write(`POST /?Format=JSON&Signature=x HTTP/1.1\r\nhost: x\r\ncontent-length: ${4 * MIB}\r\n\r\n`);
    socket.write(Buffer.alloc(3 * MIB, 'a'));
  }
  await sleep(1000);
  // What was thrown away is memory until the next collection; what would be kept is far more, until the requests' time is up.
  let grownBytes = Number.POSITIVE_INFINITY;
  for (let calls = 0; calls < 20 || (calls < 100 && grownBytes > MAX_BODY_BYTES); calls++) {
    assert.equal((await client().call('DescribeImageCaches')).TotalCount, 0);
    grownBytes = Math.min(grownBytes, (await privateBytes(larder.pid)) - beforeBytes);
  }
  t.diagnostic(`${Math.round(grownBytes / MIB)} MiB more`);
  assert.ok(grownBytes < MAX_BODY_BYTES, `${grownBytes / MIB} MiB of ${SLOW_BODIES * 3}`);
  await closed(sockets);
  assert.ok(
    answers.some((answer) => answer.startsWith('HTTP/1.1 503')),
    'nobody was refused',
  );
});

test('a caller that never reads its answers is cut', async () => {
  const beforeBytes = await privateBytes(larder.pid);
  const socket = await open();
  socket.pause();
  const request = 'GET /?Format=JSON HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(5000);
  const reset = new Promise((resolve) => socket.once('close', resolve));
  // Until nothing more is taken: then its answers fill all that there is between it and us.
  for (let sent = 0; sent < 40 && socket.writable; sent++) {
    if (!socket.write(request)) await sleep(100);
  }
  const grownBytes = (await privateBytes(larder.pid)) - beforeBytes;
  assert.ok(grownBytes < 64 * MIB, `${grownBytes / MIB} MiB`);
  assert.notEqual(await Promise.race([reset, sleep(WAIT_MS, 'open')]), 'open');
  assert.equal((await client().call('DescribeImageCaches')).TotalCount, 0);
});

test('an address has no more than its connections, and gets others when they end', async () => {
  const sockets = await Promise.all(Array.from({ length: 1300 }, open));
  await sleep(300);
  const alive = sockets.filter((socket) => !socket.closed && !socket.resume().readableEnded).length;
  assert.ok(alive <= 1200, `${alive} are open`);
  for (const socket of sockets) socket.destroy();
  await sleep(300);
  assert.equal((await client().call('DescribeImageCaches')).TotalCount, 0);
});
