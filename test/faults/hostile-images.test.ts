/**
 * Images that mean harm, or look so and are legal, against the real server under strace: each ends Failed with a reason that
 * names what is wrong, or Ready and right; nothing outside the server's folder is touched; the server serves on.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createLimit } from '../../src/lib/limit.ts';
import { skipWithout } from '../support/requirements.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../support/scripted-registry.ts';
import { listTopLayer } from './support/blob-listing.ts';
import { ATTACKS, type HostileCase, soundImage } from './support/corpus.ts';
import { CONFUSION, DIGESTS } from './support/corpus-documents.ts';
import { CLAIMS, ESCAPES, ODDITIES, OWNERS } from './support/corpus-layers.ts';
import { BOMBS, HEAVY, STREAMS } from './support/corpus-streams.ts';
import { effortMs } from './support/effort.ts';
import { createTally } from './support/tally.ts';
import { readTrace, startWatchedServer, type WatchedServer } from './support/watched-server.ts';

/** By which each image has come to its end. */
const END_MS = 60_000;
/** Small ones side by side. */
const AT_ONCE = 6;
const MIB = 2 ** 20;
const MAX_PEAK_MIB = 256;
const tally = createTally('images refused by name', 'images Ready and right');
const isLong = effortMs(0, 1) > 0;
const CORPUS = { ESCAPES, OWNERS, CLAIMS, CONFUSION, DIGESTS, STREAMS, ODDITIES };

describe('hostile images', { skip: skipWithout({ tools: ['strace'] }) }, () => {
  let registry: ScriptedRegistry;
  let server: WatchedServer;
  let count = 0;
  let peakMib = 0;

  before(async () => {
    registry = await startScriptedRegistry();
    const env = { LARDER_PLAIN_HTTP_REGISTRIES: registry.host, LARDER_LIMITS: 'createsPerMinute=0' };
    server = await startWatchedServer(env);
    await server.resetPeak();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  const problemOf = (each: HostileCase) => judge(each, { registry, server, repository: `hostile/n${count++}` });

  for (const [title, cases] of Object.entries(CORPUS)) {
    test(`${title.toLowerCase()}: ${cases.length} images`, { timeout: 2 * END_MS }, async () => {
      const limit = createLimit(AT_ONCE);
      const problems: string[] = [];
      const check = async (each: HostileCase) => {
        const problem = await problemOf(each).catch(String);
        if (problem) problems.push(`${each.name}: ${problem.slice(0, 600)}`);
      };
      await Promise.all(cases.map((each) => limit(() => check(each), AbortSignal.timeout(END_MS))));
      assert.deepEqual(problems, []);
    });
  }

  test(`bombs: ${BOMBS.length} images`, { timeout: BOMBS.length * END_MS }, async (t) => {
    for (const make of BOMBS) {
      const bomb = make();
      const { problem, told, ...peaks } = await measure(bomb, server, () => problemOf(bomb));
      peakMib = Math.max(peakMib, peaks.beforeMib, peaks.peakMib);
      t.diagnostic(told);
      assert.equal(problem, undefined, bomb.name);
    }
  });

  test('memory stays within its bound over all of them', async (t) => {
    t.diagnostic(`${peakMib.toFixed(0)} MiB at most`);
    assert.ok(peakMib > 0 && peakMib < MAX_PEAK_MIB, `${peakMib} MiB`);
  });

  test('a sound image after all of them', async () => {
    registry.putImage('sound', soundImage('last'), '1');
    const { Status } = await server.settled(await server.create(`${registry.host}/sound:1`), END_MS);
    assert.equal(Status, 'Ready');
  });

  test('nothing was touched outside the folder of the server', async () => {
    const { outside, programs } = await server.stop();
    assert.deepEqual(outside, []);
    assert.deepEqual(
      programs.filter((path) => path !== process.execPath && !path.endsWith('/igzip')),
      [],
    );
  });
});

describe('what the limits just let through', {
  skip: isLong ? skipWithout({ tools: ['strace'] }) : 'in the long run only',
}, () => {
  for (const make of HEAVY) {
    test('bomb', { timeout: 4 * END_MS }, async (t) => {
      await using registry = await startScriptedRegistry();
      await using server = await startWatchedServer({ LARDER_PLAIN_HTTP_REGISTRIES: registry.host });
      const bomb = make();
      const { problem, told, peakMib } = await measure(bomb, server, () =>
        judge(bomb, { registry, server, repository: 'heavy' }),
      );
      t.diagnostic(told);
      assert.equal(problem, undefined, bomb.name);
      assert.ok(peakMib < MAX_PEAK_MIB, told);
    });
  }
});

async function measure(bomb: HostileCase, server: WatchedServer, run: () => Promise<string | undefined>) {
  const beforeMib = (await server.peakBytes()) / MIB;
  await server.resetPeak();
  const startedMs = performance.now();
  const problem = await run();
  const seconds = (performance.now() - startedMs) / 1000;
  const peakMib = (await server.peakBytes()) / MIB;
  const told = `${bomb.name}: ${seconds.toFixed(1)} s, ${beforeMib.toFixed(0)} MiB the most before, ${peakMib.toFixed(0)} MiB at most`;
  return { problem, told, beforeMib, peakMib };
}

type Place = { registry: ScriptedRegistry; server: WatchedServer; repository: string };

/** What is not as it should be; undefined when all is well. */
async function judge(
  { put, expect }: HostileCase,
  { registry, server, repository }: Place,
): Promise<string | undefined> {
  put(registry, repository);
  const id = await server.create(`${registry.host}/${repository}:1`);
  const { Status, Events, SnapshotId } = await server.settled(id, END_MS);
  const told = Events.map(({ Message }) => Message).join('\n');
  if (expect instanceof RegExp) {
    tally('images refused by name');
    return Status === 'Failed' && expect.test(told) ? undefined : `${Status}: ${told}`;
  }
  tally('images Ready and right');
  if (expect === 'Ready' && Status === 'Ready') return undefined;
  if (Status !== 'Ready') return `${Status}: ${told}`;
  const listing = await listTopLayer(server.dataDirectory, SnapshotId);
  try {
    assert.deepEqual(listing, expect);
  } catch {
    return `holds ${JSON.stringify(listing)}`;
  }
  return undefined;
}

test('every row of the list of attacks by images has one', () => {
  const rows = new Set(Object.values(CORPUS).flatMap((cases) => cases.map(({ row }) => row)));
  assert.deepEqual([...rows].toSorted(), [...ATTACKS].toSorted());
});

test('a trace is read as it is meant', () => {
  const home = '/tmp/home';
  const bad = [
    '7 openat(AT_FDCWD</tmp/home>, "/etc/passwd", O_WRONLY|O_CREAT, 0644) = 3</etc/passwd>',
    '7 openat(AT_FDCWD</tmp/home>, "/tmp/home/../x", O_RDWR) = 3</tmp/x>',
    '7 mkdir("/var/x", 0777) = 0',
    '7 symlink("/etc", "/tmp/home/data/etc") = 0',
    '7 openat(AT_FDCWD</>, "x", O_RDWR|O_CREAT, 0600) = 3</x>',
    '7 rename("/tmp/home/data/a", "/tmp/b") = 0',
    // What `data/../x` is once somebody has normalised it.
    '7 openat(AT_FDCWD</tmp/home>, "/tmp/home/x", O_WRONLY|O_CREAT, 0644) = 3</tmp/home/x>',
    '7 mkdir("/tmp/home/database", 0777) = 0',
    '7 openat(AT_FDCWD</tmp/home>, "profile.json/x", O_RDWR) = 3</tmp/home/profile.json/x>',
    '7 unlink("/etc/shadow") = -1 EACCES (Permission denied)',
    '7 mkdir("/var/never", 0777 <unfinished ...>',
  ];
  const good = [
    '7 openat(AT_FDCWD</tmp/home>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3</etc/passwd>',
    '7 openat(AT_FDCWD</tmp/home>, "/tmp/home/data/a", O_WRONLY|O_CREAT, 0644) = 3</tmp/home/data/a>',
    '7 rename("/tmp/home/data/a", "/tmp/home/data/b") = 0',
    '7 rename("/tmp/home/profile.json.7.tmp", "/tmp/home/profile.json") = 0',
    '8 mkdir("/tmp/home", 0700 <unfinished ...>',
    '9 mkdir("/tmp/home/tmp/a", 0700) = 0',
    '8 <... mkdir resumed>) = -1 EEXIST (File exists)',
  ];
  assert.deepEqual(
    readTrace([...bad, ...good].join('\n'), home).outside,
    bad.map((line) => line.slice(2).replace(' <unfinished ...>', '')),
  );
});
