/** More connections than the server takes, from several addresses: it keeps its bound, and serves those who are there. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/index.ts';
import { LIMITS } from '../../src/server/limit-table.ts';
import { ACCESS_KEY, REGION_ID, startLarder } from '../support/larder-server.ts';
import { requireTools } from '../support/requirements.ts';
import { run } from '../support/run.ts';
import { until } from '../support/until.ts';
import { privateBytes } from './support/memory.ts';

const CONNECTIONS = 10_000;
/** Fewer of each than one address may have. */
const ADDRESSES = 5;
const AT_ONCE = 500;
const WAIT_MS = 20_000;
const ASK_MS = 50;
/** Beside ours: the one that the test asks over, and that of the question whether it is ready. */
const OTHERS = 2;
const NEEDED_FILES = CONNECTIONS + 500;
const MIB = 2 ** 20;
const MAX_GROWN_BYTES = 160 * MIB;

/** Of this process, and of the server that it starts. */
async function allowFiles(): Promise<void> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
  if (Number(soft) >= NEEDED_FILES) return;
  const most = Math.max(Number(hard), NEEDED_FILES);
  await run('prlimit', ['--pid', `${process.pid}`, `--nofile=${NEEDED_FILES}:${most}`]);
}

test(`${CONNECTIONS} connections: as many as may be are open, and who is there is answered`, async (t) => {
  if (!requireTools(t, ['prlimit'])) return;
  await allowFiles();
  // Nobody is cut for being slow meanwhile.
  await using larder = await startLarder({ env: { LARDER_LIMITS: 'requestMs=5m,answerMs=5m' } });
  const [host = '', port] = larder.endpoint.split(':');
  const client = createClient({ ...ACCESS_KEY, endpoint: larder.endpoint, regionId: REGION_ID, timeoutMs: WAIT_MS });
  const stopped = new AbortController();
  let answered = 0;
  // Often enough that its connection is kept: a new one might find no room.
  const asking = (async () => {
    while (!stopped.signal.aborted) {
      assert.equal((await client.call('DescribeImageCaches')).TotalCount, 0);
      answered++;
      await sleep(ASK_MS);
    }
  })();
  let failure: unknown;
  asking.catch((error: unknown) => (failure = error));
  const answers = async () => {
    const enough = answered + 2;
    await until('two more answers', () => failure !== undefined || answered >= enough);
    assert.equal(failure, undefined);
  };
  await answers();
  const beforeBytes = await privateBytes(larder.pid);

  const sockets: Socket[] = [];
  let closed = 0;
  const open = async (index: number) => {
    const socket = connect({ host, port: Number(port), localAddress: `127.0.0.${2 + (index % ADDRESSES)}` });
    sockets.push(socket);
    socket.on('error', () => undefined).once('close', () => closed++);
    // What is over the bound may be reset before it is known to be open.
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    socket.resume();
  };
  try {
    for (let first = 0; first < CONNECTIONS; first += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => open(first + index)));
    }
    const most = LIMITS.maxConnections.default;
    await until('no more than the bound are open', () => CONNECTIONS - closed <= most);
    assert.ok(CONNECTIONS - closed >= most - OTHERS, `only ${CONNECTIONS - closed} are open`);
    const grownBytes = (await privateBytes(larder.pid)) - beforeBytes;
    t.diagnostic(`${CONNECTIONS - closed} open, ${Math.round(grownBytes / MIB)} MiB more`);
    assert.ok(grownBytes < MAX_GROWN_BYTES, `${grownBytes / MIB} MiB more`);
    await answers();
  } finally {
    stopped.abort();
    for (const socket of sockets) socket.destroy();
  }
  await asking;
  // There is room again for somebody new.
  await until('a new connection is taken', async () => {
    const ready = await fetch(`http://${larder.endpoint}/readyz`, { headers: { connection: 'close' } }).catch(
      () => null,
    );
    return ready?.ok === true;
  });
});
