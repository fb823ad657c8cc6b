/**
 * Calls of the API on one core, signatures checked: DescribeImageCaches by id, by page and by MatchImage over many caches,
 * with list-blobs of Azurite (20 of 2,000 blobs, signatures checked too) and a bare node:http server that answers as many
 * bytes from memory in the same run as yardsticks.
 *
 *   npm run bench:api -- [--caches N] [--calls N] [--connections N] [--output json] [--profile FOLDER] [--no-azurite]
 *     [--write] [--only id,page,match] [--scheme V1,V3]
 *
 * The servers run on one core, the generator on another; both ends are real processes and speak HTTP over loopback with
 * kept-alive connections. Every request has a signature and a nonce of its own, made before the clock starts. Needs two cores.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { ApiCallError, type Client, createClient } from '../src/client/index.ts';
import { cacheFolder } from '../test/support/cache-folder.ts';
import { type ChildServer, startChildServer } from '../test/support/child-server.ts';
import { freePort } from '../test/support/free-port.ts';
import { ACCESS_KEY, REGION_ID } from '../test/support/larder-server.ts';
import { pick, randomNumbers } from '../test/support/random.ts';
import { processOwnBytes, processPeakBytes } from './process-cpu.ts';
import { listBlobsRequests, startAzurite } from './support/azurite.ts';
import { commitBeside } from './support/commit-beside.ts';
import { type Catalog, fillCaches } from './support/fill-caches.ts';
import { type Load, runLoad, SERVER_CORE } from './support/run-load.ts';
import { writeSection } from './support/write-section.ts';

const MAIN = join(import.meta.dirname, '../src/main.ts');
const BARE = join(import.meta.dirname, 'support/bare-http.ts');
const PAGE_SIZE = 20;
const BLOBS = 2_000;
/** Pages are asked for at this many places of the whole list. */
const PLACES = 1_000;
const QUERIES = 2_000;
/** V8 compiles the last of what a call goes through after so many: before, p99 of MatchImage is two to three times as long. */
const WARM_UP_CALLS = 15_000;
/** While so much is committed, hardly a page is asked for again before the next commit. */
const COMMITS_PER_SECOND = 50;
const INDEX_TIMEOUT_MS = 600_000;
const PEER = 'Azurite, list 20 of 2,000 blobs';

const { values: options } = parseArgs({
  options: {
    caches: { type: 'string', default: '100000' },
    calls: { type: 'string', default: '50000' },
    connections: { type: 'string', default: '16' },
    output: { type: 'string', default: 'table' },
    profile: { type: 'string' },
    /** Some of id, page, match. */
    only: { type: 'string', default: 'id,page,match' },
    scheme: { type: 'string', default: 'V1,V3' },
    azurite: { type: 'boolean', default: true },
    write: { type: 'boolean', default: false },
  },
  allowNegative: true,
});
const [cacheCount, calls, connections] = [Number(options.caches), Number(options.calls), Number(options.connections)];
/** On one connection. */
const singleCalls = Math.ceil(calls / 10);

type Query = Readonly<Record<string, string>>;
/** `newMatch`: each query is asked once. */
type Queries = Readonly<Record<'id' | 'page' | 'match' | 'newMatch', readonly Query[]>>;
type Row = Load & { readonly name: string; readonly connections: number; readonly memory: Memory };
/** `peakMib` counts what is mapped of the database's file, which the system takes back at need; `ownMib` does not. */
type Memory = { readonly peakMib: number; readonly ownMib: number };

await mkdir(cacheFolder(), { recursive: true });
const work = await mkdtemp(join(cacheFolder(), 'bench-api-'));
try {
  const rows = await measureLarder();
  if (options.azurite) rows.push(await measureAzurite());
  await report(rows);
} finally {
  await rm(work, { recursive: true, force: true });
}

async function measureLarder(): Promise<Row[]> {
  const dataDirectory = join(work, 'data');
  const port = await freePort();
  // The first start makes the database and the account.
  const first = await startServer(dataDirectory, port, []);
  await first.stop();
  const startedMs = performance.now();
  const databasePath = join(dataDirectory, 'larder.db');
  const catalog = fill(databasePath);
  console.error(
    `${cacheCount.toLocaleString('en')} caches in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`,
  );
  const profiling = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const server = await startServer(dataDirectory, port, profiling);
  try {
    return await measureCalls({ server, port, databasePath }, await listQueries(catalog, port));
  } finally {
    await server.stop();
  }
}

function fill(databasePath: string): Catalog {
  const database = new DatabaseSync(databasePath);
  const accountId = String(database.prepare('select id from accounts').get()?.id);
  database.close();
  return fillCaches(databasePath, { count: cacheCount, accountId, regionId: REGION_ID });
}

function startServer(dataDirectory: string, port: number, nodeFlags: readonly string[]): Promise<ChildServer> {
  const serve = [MAIN, 'serve', '--data', dataDirectory, '--listen', `127.0.0.1:${port}`];
  return startChildServer({
    command: 'taskset',
    args: ['-c', SERVER_CORE, process.execPath, ...nodeFlags, ...serve],
    readyUrl: `http://127.0.0.1:${port}/readyz`,
    env: {
      ...process.env,
      LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId,
      LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret,
      LARDER_REGION: REGION_ID,
      // One account calls as fast as it can, which is what is measured.
      LARDER_LIMITS: 'readsPerSecond=0,writesPerSecond=0,createsPerMinute=0',
      LARDER_PROFILE: join(work, 'profile.json'),
    },
  });
}

/** What is asked, by the name of the row. */
async function listQueries(catalog: Catalog, port: number): Promise<Queries> {
  const random = randomNumbers(2);
  const describe = { Action: 'DescribeImageCaches', RegionId: REGION_ID };
  const tokens = await pageTokens(port);
  const many = <T>(count: number, make: () => T) => Array.from({ length: count }, make);
  const match = () => ({
    ...describe,
    ...Object.fromEntries(catalog.images().map((image, index) => [`MatchImage.${index + 1}`, image])),
  });
  return {
    id: many(QUERIES, () => ({ ...describe, ImageCacheId: pick(catalog.ids, random) })),
    page: many(QUERIES, () => ({ ...describe, Limit: String(PAGE_SIZE), NextToken: pick(tokens, random) })),
    match: many(QUERIES, match),
    newMatch: many(WARM_UP_CALLS + singleCalls, match),
  };
}

async function pageTokens(port: number): Promise<string[]> {
  const client = createClient({
    endpoint: `http://127.0.0.1:${port}`,
    regionId: REGION_ID,
    timeoutMs: INDEX_TIMEOUT_MS,
    ...ACCESS_KEY,
  });
  // The index is built after the start, and nothing is measured beside that; a call waits for it only so long.
  const endMs = performance.now() + INDEX_TIMEOUT_MS;
  while (!(await isIndexBuilt(client)) && performance.now() < endMs);
  const tokens: string[] = [''];
  const step = Math.max(PAGE_SIZE, Math.min(100, Math.floor(cacheCount / PLACES)));
  while (tokens.length < PLACES) {
    const { NextToken } = await client.call('DescribeImageCaches', { Limit: step, NextToken: tokens.at(-1) });
    if (typeof NextToken !== 'string' || NextToken === '') break;
    tokens.push(NextToken);
  }
  return tokens;
}

async function isIndexBuilt(client: Client): Promise<boolean> {
  try {
    await client.call('DescribeImageCaches', { MatchImage: ['none/none:1'] });
    return true;
  } catch (error) {
    if (error instanceof ApiCallError && error.apiCode === 'ServiceUnavailable') return false;
    throw error;
  }
}

async function measureCalls(
  { server, port, databasePath }: { server: ChildServer; port: number; databasePath: string },
  queries: Queries,
) {
  const rows: Row[] = [];
  const measure = async (
    name: string,
    scheme: 'V1' | 'V3',
    asked: readonly Query[],
    at: { connections: number; calls: number },
  ) => {
    const requests = { kind: 'signed', scheme, calls: asked, ...ACCESS_KEY } as const;
    const job = { port, connections: at.connections, calls: at.calls, warmUpCalls: WARM_UP_CALLS, requests };
    const load = await runLoad(job, server.pid);
    rows.push({ name: `${name}, ${scheme}`, connections: at.connections, memory: memoryOf(server.pid), ...load });
    console.error(`${name}, ${scheme}: ${load.callsPerSecond.toFixed(0)} calls/s, p99 ${load.p99Ms.toFixed(2)} ms`);
  };
  const asked = options.only.split(',');
  for (const scheme of (['V1', 'V3'] as const).filter((one) => options.scheme.includes(one))) {
    if (asked.includes('id')) await measure('by id', scheme, queries.id, { connections, calls });
    if (asked.includes('page')) {
      await measure('page of 20', scheme, queries.page, { connections, calls });
      using _commits = commitBeside(databasePath, COMMITS_PER_SECOND);
      await measure(`page of 20, ${COMMITS_PER_SECOND} commits a second`, scheme, queries.page, { connections, calls });
    }
    if (!asked.includes('match')) continue;
    await measure('match 20 images', scheme, queries.match, { connections: 1, calls: singleCalls });
    await measure('match 20 images', scheme, queries.match, { connections, calls: Math.ceil(calls / 5) });
  }
  if (asked.includes('match')) {
    await measure('match 20 images, never asked before', 'V1', queries.newMatch, {
      connections: 1,
      calls: singleCalls,
    });
  }
  for (const [name, same] of [
    ['by id, V1', queries.id],
    ['page of 20, V1', queries.page],
    ['match 20 images, V1', queries.match],
  ] as const) {
    const row = rows.find((one) => one.name === name);
    if (row) rows.push(await measureBare(row, same));
  }
  return rows;
}

/** The same requests to a server that does nothing with them, and answers as many bytes. */
async function measureBare(like: Row, asked: readonly Query[]): Promise<Row> {
  const { bytesPerAnswer, name, connections: many, calls: count } = like;
  const port = await freePort();
  const server = await startChildServer({
    command: 'taskset',
    args: ['-c', SERVER_CORE, process.execPath, BARE, String(port), String(Math.round(bytesPerAnswer))],
    readyUrl: `http://127.0.0.1:${port}/`,
  });
  try {
    const requests = { kind: 'signed', scheme: 'V1', calls: asked, ...ACCESS_KEY } as const;
    const job = { port, connections: many, calls: count, warmUpCalls: WARM_UP_CALLS, requests };
    const load = await runLoad(job, server.pid);
    return { name: `bare node:http, as long as ${name}`, connections: many, memory: memoryOf(server.pid), ...load };
  } finally {
    await server.stop();
  }
}

async function measureAzurite(): Promise<Row> {
  const azurite = await startAzurite(join(work, 'azurite'));
  try {
    const texts = await listBlobsRequests(azurite, { blobs: BLOBS, pageSize: PAGE_SIZE, places: 100 });
    const some = Math.ceil(calls / 10);
    const job = {
      port: azurite.port,
      connections,
      calls: some,
      warmUpCalls: WARM_UP_CALLS,
      requests: { kind: 'ready', texts },
    } as const;
    const load = await runLoad(job, azurite.pid);
    return { name: PEER, connections, memory: memoryOf(azurite.pid), ...load };
  } finally {
    await azurite.stop();
  }
}

function memoryOf(pid: number): Memory {
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  return { peakMib: mib(processPeakBytes(pid)), ownMib: mib(processOwnBytes(pid)) };
}

async function report(rows: readonly Row[]): Promise<void> {
  const peer = rows.find(({ name }) => name === PEER);
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}, Node.js ${process.version}`;
  if (options.output === 'json') {
    const shown = rows.map(({ sample: _sample, ...row }) => ({
      ...row,
      ratioToPeer: peer && row.callsPerSecond / peer.callsPerSecond,
    }));
    console.log(JSON.stringify({ machine, caches: cacheCount, rows: shown }, undefined, 2));
    return;
  }
  const lines = rows.map((row) => {
    const ratio = peer ? `${(row.callsPerSecond / peer.callsPerSecond).toFixed(1)}×` : '';
    const numbers = [
      row.p50Ms.toFixed(2),
      row.p99Ms.toFixed(2),
      row.cpuMsPerCall.toFixed(3),
      row.bytesPerAnswer,
      row.memory.peakMib,
      row.memory.ownMib,
    ];
    return `| ${row.name} | ${row.connections} | ${row.callsPerSecond.toFixed(0)} | ${numbers.join(' | ')} | ${ratio} |`;
  });
  const text = [
    `${cacheCount.toLocaleString('en')} caches of 20 images; ${machine}; server on one core:`,
    '',
    '| | connections | calls/s | p50 ms | p99 ms | CPU ms a call | bytes an answer | peak MiB | own MiB | to Azurite |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
  console.log(text);
  if (options.write) await writeSection('bench:api', text);
}
