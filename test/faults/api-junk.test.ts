/**
 * Junk at the API: no 500, no crash, no memory that is not given back. LARDER_FAULTS_HOURS makes it longer,
 * LARDER_FAULTS_SEED runs a failure again.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { createActions } from '../../src/api/index.ts';
import { ApiCallError, createClient } from '../../src/client/index.ts';
import { formatTime } from '../../src/lib/clock.ts';
import type { ParamSpecs } from '../../src/rpc/index.ts';
import { DUMMY_SERVICES } from '../support/dummy-services.ts';
import { ACCESS_KEY, type LarderServer, REGION_ID, startLarder } from '../support/larder-server.ts';
import { effortMs, faultSeed } from './support/effort.ts';
import { statusesOf } from './support/raw-http.ts';
import { type Quarters, watchMemory } from './support/steady-memory.ts';
import { createTally } from './support/tally.ts';

const PARTS = 4;
const PART_MS = effortMs(3_000, PARTS);
/** From the second quarter of the time to the last: what heaps move by themselves, and nonces, which are kept for a while. */
const MAX_GROWN_BYTES = (effortMs(0, 1) > 0 ? 64 : 32) * 2 ** 20;
const SEED = faultSeed();
const FIXTURES = join(import.meta.dirname, '../fixtures/rpc');

/** With signatures, and with none: there the parameters get to the actions. */
let strict: LarderServer;
let open: LarderServer;
const tally = createTally('requests of junk', 'signed calls of junk');

before(async () => {
  const env = {
    LARDER_LIMITS: 'readsPerSecond=0,writesPerSecond=0,createsPerMinute=0,maxBadSignatures=0,maxAttempts=1',
    // No image name that comes up by chance may reach a registry.
    HTTPS_PROXY: 'http://127.0.0.1:1',
    HTTP_PROXY: 'http://127.0.0.1:1',
    LARDER_LOG_LEVEL: 'warn',
  };
  strict = await startLarder({ env });
  open = await startLarder({ env: { ...env, LARDER_NO_AUTH: '1' } });
});
after(async () => {
  await strict[Symbol.asyncDispose]();
  await open[Symbol.asyncDispose]();
});

function addressOf({ endpoint }: LarderServer): { host: string; port: number } {
  const [host = '', port] = endpoint.split(':');
  return { host, port: Number(port) };
}

/** Whatever else the bytes do, the server that got them is there afterwards, and did not fail inside. */
async function sendJunk(server: LarderServer, bytes: Uint8Array): Promise<void> {
  tally('requests of junk');
  for (const status of await statusesOf(addressOf(server), bytes)) {
    assert.ok(status < 500 || status === 503, `${status} to ${Buffer.from(bytes).toString('latin1').slice(0, 2000)}`);
  }
}

/** As many runs as there is time for; the memory of the servers must not grow with them. */
async function run(t: TestContext, property: fc.IAsyncProperty<unknown> | fc.IAsyncPropertyWithHooks<unknown>) {
  await steadily(t, () =>
    fc.assert(property, {
      seed: SEED,
      numRuns: Number.MAX_SAFE_INTEGER,
      interruptAfterTimeLimit: PART_MS,
      endOnFailure: true,
      // It would keep every case that was run.
      verbose: fc.VerbosityLevel.None,
    }),
  );
}

async function steadily(t: TestContext, act: () => Promise<void>): Promise<void> {
  const memory = watchMemory([strict.pid, open.pid]);
  let quarters: Quarters[] = [];
  try {
    await act();
  } finally {
    quarters = await memory.end();
  }
  for (const { second, last } of quarters) {
    const told = `${toMib(second)} MiB in the second quarter of the time, ${toMib(last)} in the last`;
    t.diagnostic(told);
    assert.ok(last - second < MAX_GROWN_BYTES, told);
  }
}

const toMib = (bytes: number) => Math.round(bytes / 2 ** 20);

const captures = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('.raw.http'))
  .map((name) => readFileSync(join(FIXTURES, name)));

/** Changes of bytes: one is replaced, some are taken out, doubled, or put in. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  kind: fc.constantFrom('replace', 'remove', 'double', 'insert'),
  length: fc.integer({ min: 1, max: 40 }),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc
      .constantFrom('\r\n', '\0', '%', '%zz', '&&', '==', 'é', '%00', '../', '[]', ';', ', ')
      .map((text) => Buffer.from(text)),
  ),
});

function mutate(
  bytes: Buffer,
  { at, kind, length, bytes: other }: typeof mutation extends fc.Arbitrary<infer T> ? T : never,
): Buffer {
  const start = Math.floor(at * bytes.length);
  const end = Math.min(bytes.length, start + length);
  const middle = {
    replace: [other],
    remove: [],
    double: [bytes.subarray(start, end), bytes.subarray(start, end)],
    insert: [other, bytes.subarray(start, end)],
  }[kind];
  return Buffer.concat([bytes.subarray(0, start), ...middle, bytes.subarray(end)]);
}

/** The captured request as of now: with the time and nonce of today it gets further. */
function refresh(capture: Buffer): Buffer {
  const now = formatTime(Date.now());
  const text = capture
    .toString('latin1')
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, now)
    .replace(/\d{4}-\d\d-\d\dT\d\d%3A\d\d%3A\d\dZ/g, now.replaceAll(':', '%3A'))
    .replace(/(nonce: |SignatureNonce=)[\w-]+/gi, `$1${randomUUID()}`);
  return Buffer.from(text, 'latin1');
}

test(`captures with bytes changed (seed ${SEED})`, async (t) => {
  await run(
    t,
    fc.asyncProperty(
      fc.constantFrom(...captures),
      fc.array(mutation, { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      async (capture, mutations, isOpen) => {
        const bytes = mutations.reduce<Buffer>((before_, each) => mutate(before_, each), refresh(capture));
        await sendJunk(isOpen ? open : strict, bytes);
      },
    ),
  );
});

/** `Tag.N.Key` of a spec as `Tag.1.Key`. */
function namesOf(specs: ParamSpecs, prefix = ''): string[] {
  return Object.entries(specs).flatMap(([name, spec]) => {
    if ('fields' in spec) return namesOf(spec.fields, `${prefix}${name}.1.`);
    return spec.type === 'strings' ? [`${prefix}${name}.1`, `${prefix}${name}.2`] : [`${prefix}${name}`];
  });
}
const actions = [...createActions(DUMMY_SERVICES).values()];
const anyAction = fc.constantFrom(...actions);
const anyValue = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '',
    '0',
    '-1',
    '1e999',
    '9'.repeat(400),
    'true',
    'NaN',
    '__proto__',
    'constructor',
    '\0',
    '\u{1F4A9}',
    ' ',
    '[]',
    '{}',
    'x'.repeat(70_000),
  ),
  fc.constantFrom('ImageCache', REGION_ID, '20', 'a/b:1', 'localhost:1/x', 'imc-00000000000000000000'),
  fc.integer().map(String),
);
const oddName = fc.constantFrom(
  '__proto__',
  'constructor',
  'toString',
  'Image.0',
  'Image.-1',
  'Image.999999999',
  'Image.1.2',
  'Image',
  'Tag.1',
  'Tag.1.Key.1',
  'Tag.5.Value',
  'Image..1',
  '.',
  'Action',
  'Format',
  'ClientToken',
  'DryRun',
  'NextToken',
  'Limit',
);

test(`parameters of every kind, signed and not (seed ${SEED})`, async (t) => {
  const client = createClient({ ...ACCESS_KEY, endpoint: strict.endpoint, regionId: REGION_ID, timeoutMs: 10_000 });
  const calls = anyAction.chain((action) => {
    const name = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...namesOf(action.params)) },
      { weight: 1, arbitrary: oddName },
    );
    return fc.tuple(fc.constant(action), fc.array(fc.tuple(name, anyValue), { maxLength: 12 }), fc.boolean());
  });
  await run(
    t,
    fc.asyncProperty(calls, async ([action, pairs, isSigned]) => {
      if (isSigned) {
        tally('signed calls of junk');
        // oxlint-disable-next-line typescript/no-unsafe-argument -- texts by name, as parameters are
        const failure: unknown = await client
          .call(action.name, Object.fromEntries(pairs))
          .catch((error: unknown) => error);
        if (failure instanceof ApiCallError) assert.ok(failure.status < 500, failure.message);
        // No answer at all, or one that is no answer of the API.
        else if (failure instanceof Error) throw failure;
        return;
      }
      const query = new URLSearchParams({
        Action: action.name,
        Version: action.version ?? '2018-08-08',
        Format: 'JSON',
        RegionId: REGION_ID,
      });
      // Names that come twice stay twice.
      const body = [
        query.toString(),
        ...pairs.map((pair) => pair.map((text) => encodeURIComponent(text.toWellFormed())).join('=')),
      ].join('&');
      const head = `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ${body.length}\r\n\r\n`;
      await sendJunk(open, Buffer.from(head + body));
    }),
  );
});

const line = fc.oneof(
  fc.constantFrom(
    'host: x',
    'content-length: 5',
    'content-length: 99999999999999999999',
    'content-length: -1',
    'transfer-encoding: chunked',
    'transfer-encoding: chunked, identity',
    'connection: upgrade',
    'upgrade: h2c',
    'expect: 100-continue',
    'authorization: ACS3-HMAC-SHA256 Credential=,SignedHeaders=,Signature=',
    'x-acs-action: CreateImageCache',
    'x-acs-content-sha256: x',
    'range: bytes=-1-9',
    ' folded',
    ': empty',
  ),
  fc.string({ unit: 'binary', maxLength: 50 }),
);
const start = fc.oneof(
  fc.constantFrom(
    'GET / HTTP/1.1',
    'POST / HTTP/1.1',
    'POST /?Format=JSON HTTP/1.0',
    'PRI * HTTP/2.0',
    'CONNECT x:1 HTTP/1.1',
    'GET //../..%2f HTTP/1.1',
    'GET /events? HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET http:// HTTP/1.1',
    'GET /%ff%fe?%ff=%fe HTTP/1.1',
  ),
  fc.string({ unit: 'binary', maxLength: 80 }),
);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .constantFrom('5\r\nhello\r\n0\r\n\r\n', 'ffffffffffffffff\r\n', '-1\r\n', '\x16\x03\x01\x02\x00\x01')
    .map((text) => Buffer.from(text, 'latin1')),
);

test(`what is hardly HTTP, or not at all (seed ${SEED})`, async (t) => {
  await run(
    t,
    fc.asyncProperty(
      start,
      fc.array(line, { maxLength: 8 }),
      body,
      fc.boolean(),
      async (first, lines, rest, isOpen) => {
        const head = Buffer.from(`${[first, ...lines].join('\r\n')}\r\n\r\n`);
        await sendJunk(isOpen ? open : strict, Buffer.concat([head, rest]));
      },
    ),
  );
});

test(`memory stays where it was, nothing failed inside (seed ${SEED})`, async (t) => {
  const junk = Buffer.from(
    `POST /?Format=JSON HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n${'a=b&'.repeat(25_000)}`,
  );
  const client = createClient({ ...ACCESS_KEY, endpoint: strict.endpoint, regionId: REGION_ID, timeoutMs: 10_000 });
  const servers = [strict, open];
  await steadily(t, async () => {
    const deadlineMs = Date.now() + PART_MS;
    while (Date.now() < deadlineMs) {
      await Promise.all(servers.flatMap((server) => Array.from({ length: 10 }, () => sendJunk(server, junk))));
    }
  });
  assert.equal(typeof (await client.call('DescribeImageCaches')).TotalCount, 'number');
  for (const server of servers) {
    assert.doesNotMatch(server.log(), /"level":50|failed inside the server|Unhandled|uncaught/i);
  }
});
