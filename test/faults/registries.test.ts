/** What a registry can do to us, one row each, through the whole service: how the cache ends, and what its owner is told. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ACCESS_KEY } from '../support/larder-server.ts';
import { buildImage, sha256, type TestImage, toJson } from '../support/registry-image.ts';
import {
  type RecordedRequest,
  type ScriptedRegistry,
  type Step,
  startScriptedRegistry,
} from '../support/scripted-registry.ts';
import { writeTar } from '../support/tar-writer.ts';
import { type Service, startService } from './support/service.ts';
import { createTally } from './support/tally.ts';

const PASSWORD = 'pass-word-of-alice';
const BASIC = `Basic ${Buffer.from(`alice:${PASSWORD}`).toString('base64')}`;
const TOKEN = 'token-of-alice';
/** What none but the registry and its token server may ever see, and what none but the server itself. */
const SECRETS = [PASSWORD, BASIC.slice(6), TOKEN, encodeURIComponent(PASSWORD), ACCESS_KEY.accessKeySecret];
const LIMITS = [
  'headersMs=400',
  'idleMs=300',
  'documentMs=2s',
  'slowWindowMs=400',
  'slowMinBytes=2000',
  'maxAttempts=3',
  'maxRetryDelayMs=50',
];

/** More than the first wait without it. */
const RETRY_AFTER_S = 1;
/** As much as a timer may be early. */
const TIMER_MS = 10;

/** What would have ended a server's process. */
const crashes: unknown[] = [];
process.on('uncaughtExceptionMonitor', (error) => crashes.push(error));

let registry: ScriptedRegistry;
/** Another host: what a redirect, realm or foreign layer leads to. */
let foreign: ScriptedRegistry;
let service: Service;
let rows = 0;
const tally = createTally('misdeeds of a registry', 'requests to another host without a credential');

before(async () => {
  registry = await startScriptedRegistry();
  foreign = await startScriptedRegistry({ hostname: '127.0.0.2' });
  service = await startService({
    env: { LARDER_PLAIN_HTTP_REGISTRIES: `${registry.host},${foreign.host}` },
    limits: LIMITS,
  });
});
after(async () => {
  await service[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
  await foreign[Symbol.asyncDispose]();
});

/** An image of two layers that no other row has, the second large enough to break on the way. */
function newImage(options: { docker?: boolean } = {}): TestImage {
  const layers = [100, 60_000].map((bytes) =>
    Buffer.concat([
      ...writeTar([
        { name: './', type: 'directory' },
        { name: 'data', type: 'file', content: randomBytes(bytes) },
      ]),
    ]),
  );
  return buildImage({ layers, compression: options.docker ? 'gzip' : 'none', ...options });
}

type Case = {
  readonly repository: string;
  readonly image: TestImage;
  readonly layerPath: string;
  readonly manifestPath: string;
};
type Outcome = 'Ready' | RegExp;
type Row = readonly [name: string, prepare: (it: Case) => void, outcome: Outcome, more?: { docker?: boolean }];

const first = (step: Step) => (_: RecordedRequest, n: number) => (n === 0 ? step : undefined);
const always = (step: Step) => () => step;
const bearer = (parameters: string) => ({
  requireAuthorization: { challenge: `Bearer ${parameters}`, authorization: `Bearer ${TOKEN}` },
});
const ownRealm = () => `realm="${registry.origin}/token",service="registry, of ours"`;
/** Everything of the repository needs the token of the registry's own token server. */
const withLogin = ({ repository }: Case, parameters = ownRealm()) => {
  registry.script('/v2/', ({ path }) =>
    path === '/v2/' || path.includes(repository) ? bearer(parameters) : undefined,
  );
  registry.serve('/token', ({ headers }) =>
    headers.authorization === BASIC ? { body: JSON.stringify({ token: TOKEN, expires_in: 300 }) } : { status: 401 },
  );
};

async function build(row: Row): Promise<void> {
  const [, prepare, outcome, more = {}] = row;
  const repository = `row-${++rows}`;
  const image = newImage(more);
  registry.putImage(repository, image, '1');
  const layer = image.layers[1]?.descriptor.digest ?? assert.fail();
  // Scripts of earlier rows end here.
  registry.script('/v2/', () => undefined);
  prepare({
    repository,
    image,
    layerPath: `/v2/${repository}/blobs/${layer}`,
    manifestPath: `/v2/${repository}/manifests/1`,
  });
  const id = await service.create(`${registry.host}/${repository}:1`, {
    'ImageRegistryCredential.1.Server': registry.host,
    'ImageRegistryCredential.1.UserName': 'alice',
    'ImageRegistryCredential.1.Password': PASSWORD,
  });
  const { Status, Events } = await service.settled(id);
  const told = Events.map(({ Message }) => Message).join('\n');
  if (outcome === 'Ready') assert.equal(Status, 'Ready', told);
  else {
    assert.equal(Status, 'Failed', told);
    assert.match(told, outcome);
    assert.match(told, new RegExp(`${registry.host}/${repository}:1`), 'the event does not name the image');
  }
  for (const secret of SECRETS) assert.ok(!told.includes(secret), `an event holds ${secret}`);
  tally('misdeeds of a registry');
}

const credentials: readonly Row[] = [
  [
    'a layer is at a storage of another host',
    (it) => {
      withLogin(it);
      for (const { bytes } of it.image.layers) foreign.putBlob(bytes);
      registry.script(`${it.repository}/blobs/`, ({ path, headers }) =>
        headers.authorization === `Bearer ${TOKEN}`
          ? { status: 307, headers: { location: `${foreign.origin}${path}` } }
          : bearer(ownRealm()),
      );
      foreign.putBlob(it.image.config);
    },
    'Ready',
  ],
  [
    'that storage asks for a login',
    (it) => {
      registry.script(it.layerPath, always({ status: 302, headers: { location: `${foreign.origin}/storage` } }));
      foreign.serve('/storage', () => ({
        status: 401,
        headers: { 'www-authenticate': bearer(ownRealm()).requireAuthorization.challenge },
      }));
    },
    /where the registry keeps layer sha256:\w+ of row-\d+, answers with status 401/,
  ],
  [
    'the manifest is at another host',
    (it) => {
      foreign.putImage(it.repository, it.image, '1');
      withLogin(it);
      registry.script(it.manifestPath, ({ path, headers }) =>
        headers.authorization ? { status: 301, headers: { location: `${foreign.origin}${path}` } } : bearer(ownRealm()),
      );
    },
    'Ready',
  ],
  [
    'the token server redirects to another host',
    (it) => {
      withLogin(it);
      registry.serve('/token', () => ({ status: 307, headers: { location: `${foreign.origin}/token` } }));
      foreign.serve('/token', () => ({ body: JSON.stringify({ token: 'wrong' }) }));
    },
    /asks for a login: it refuses the credential/,
  ],
  [
    'layers with addresses of their own (foreign layers)',
    (it) => {
      const manifest = JSON.parse(Buffer.from(it.image.manifest).toString());
      for (const layer of manifest.layers) layer.urls = [`${foreign.origin}/layer`];
      const bytes = toJson(manifest);
      registry.putManifest(it.repository, { bytes, mediaType: it.image.manifestMediaType }, '1');
    },
    'Ready',
  ],
  [
    'a redirect to another scheme',
    (it) => registry.script(it.layerPath, always({ status: 307, headers: { location: 'file:///etc/passwd' } })),
    /is not followed: it leads to file:/,
  ],
  [
    'a redirect to the metadata service',
    (it) =>
      registry.script(it.layerPath, always({ status: 307, headers: { location: 'http://169.254.169.254/latest/' } })),
    /private or link-local/,
  ],
  [
    'a realm at the metadata service',
    (it) => withLogin(it, 'realm="http://100.100.100.200/token"'),
    /wants the login to go to "100\.100\.100\.200", which is refused/,
  ],
  [
    'a realm with a user name',
    (it) => withLogin(it, `realm="http://u:p@${registry.host}/token"`),
    /refused: its address holds a user name/,
  ],
  ['a realm that is a file', (it) => withLogin(it, 'realm="file:///etc/shadow"'), /refused: it is not a web address/],
];

const logins: readonly Row[] = [
  [
    'quoted scopes with commas',
    (it) => withLogin(it, `${ownRealm()},scope="repository:${it.repository}:pull,push"`),
    'Ready',
  ],
  [
    'several challenges',
    (it) => {
      withLogin(it);
      registry.script('/v2/', ({ path }) =>
        path === '/v2/' || path.includes(it.repository)
          ? {
              requireAuthorization: {
                challenge: [`Negotiate, Digest realm="a,b", Bearer ${ownRealm()}`, 'Basic realm="x"'],
                authorization: `Bearer ${TOKEN}`,
              },
            }
          : undefined,
      );
    },
    'Ready',
  ],
  [
    'a token without an expiry',
    (it) => {
      withLogin(it);
      registry.serve('/token', () => ({ body: JSON.stringify({ token: TOKEN }) }));
    },
    'Ready',
  ],
  [
    'access_token',
    (it) => {
      withLogin(it);
      registry.serve('/token', () => ({ body: JSON.stringify({ access_token: TOKEN, expires_in: null }) }));
    },
    'Ready',
  ],
  [
    'a token that ends in the middle of a layer',
    (it) => {
      withLogin(it);
      registry.script(it.layerPath, (_, n) => {
        if (n === 0) return { cutAfter: 20_000 };
        return n === 1
          ? { status: 401, headers: { 'www-authenticate': bearer(ownRealm()).requireAuthorization.challenge } }
          : undefined;
      });
    },
    'Ready',
  ],
  [
    'a token server that is busy',
    (it) => {
      withLogin(it);
      let asked = 0;
      registry.serve('/token', () =>
        asked++ === 0 ? { status: 429, headers: { 'retry-after': '0' } } : { body: JSON.stringify({ token: TOKEN }) },
      );
    },
    'Ready',
  ],
  [
    'Basic',
    (it) =>
      registry.script('/v2/', ({ path }) =>
        path === '/v2/' || path.includes(it.repository)
          ? { requireAuthorization: { challenge: 'Basic realm="x"', authorization: BASIC } }
          : undefined,
      ),
    'Ready',
  ],
  [
    'a login that is refused',
    (it) => {
      withLogin(it);
      registry.serve('/token', () => ({
        status: 401,
        body: JSON.stringify({ details: `no ${PASSWORD.slice(0, 4)}` }),
      }));
    },
    /refuses the credential configured for it/,
  ],
  [
    'a token with a line break',
    (it) => {
      withLogin(it);
      registry.serve('/token', () => ({ body: JSON.stringify({ token: 'a\r\nx: y' }) }));
    },
    /no usable token/,
  ],
];

const transfers: readonly Row[] = [
  [
    '429 with Retry-After',
    (it) => registry.script(it.layerPath, first({ status: 429, headers: { 'retry-after': '1' } })),
    'Ready',
  ],
  ['429 for ever', (it) => registry.script(it.manifestPath, always({ status: 429 })), /limits our requests \(429\)/],
  [
    '500, 502 and then it works',
    (it) => registry.script(it.manifestPath, (_, n) => [{ status: 500 }, { status: 502 }][n]),
    'Ready',
  ],
  [
    '503 for ever',
    (it) => registry.script(it.layerPath, always({ status: 503 })),
    /layer sha256:\w+: 127.* failed with status 503 .*after 0 of 6\d+ bytes/,
  ],
  ['a cut stream', (it) => registry.script(it.layerPath, first({ cutAfter: 30_000 })), 'Ready'],
  [
    'a stream that is always cut',
    (it) => registry.script(it.layerPath, (_, n) => ({ cutAfter: n === 0 ? 30_000 : 0 })),
    /layer sha256:\w+.*after 30000 of 6\d+ bytes/,
  ],
  ['a stall', (it) => registry.script(it.layerPath, first({ stallAfter: 30_000 })), 'Ready'],
  [
    'no answer',
    (it) => registry.script(it.layerPath, always({ silent: true })),
    /too slow: no answer in time \(limit headersMs\)/,
  ],
  [
    'a slow drip',
    (it) => registry.script(it.layerPath, always({ drip: { bytes: 10, pauseMs: 20 } })),
    /limit slowMinBytes/,
  ],
  [
    'a Content-Length that is too small',
    (it) => registry.script(it.layerPath, always({ headers: { 'content-length': '100' } })),
    /should have 6\d+ bytes, .* announces 100/,
  ],
  [
    'a range that is ignored',
    (it) => registry.script(it.layerPath, (_, n) => (n === 0 ? { cutAfter: 30_000 } : { ignoreRange: true })),
    'Ready',
  ],
  [
    '416 to a range',
    (it) => registry.script(it.layerPath, (_, n) => (n === 0 ? { cutAfter: 30_000 } : { status: 416 })),
    /has no byte 30000 of the layer/,
  ],
  ['chunks without a length', (it) => registry.script(it.layerPath, always({ chunked: true })), 'Ready'],
  [
    'the bytes of another layer',
    (it) =>
      registry.script(it.layerPath, ({ headers }) => ({
        body: Buffer.alloc(it.image.layers[1]?.bytes.byteLength ?? 0),
        ...(headers.range ? {} : {}),
      })),
    /digest is sha256:\w+, expected sha256/,
  ],
  [
    'a manifest that is not JSON',
    (it) => registry.script(it.manifestPath, always({ body: '<html>', headers: { 'content-type': 'text/html' } })),
    /media type|not JSON/,
  ],
];

const oldRegistries: readonly Row[] = [
  [
    'HEAD is refused',
    () => registry.script('/v2/', ({ method }) => (method === 'HEAD' ? { status: 405 } : undefined)),
    'Ready',
  ],
  ["Docker's media types", () => undefined, 'Ready', { docker: true }],
  [
    'a wrong Docker-Content-Digest',
    (it) =>
      registry.script(it.manifestPath, () => ({ headers: { 'docker-content-digest': sha256(Buffer.from('other')) } })),
    /the digest of manifest 1 .* should be/,
  ],
  ['no Content-Type', (it) => registry.script(it.manifestPath, always({ untyped: true })), 'Ready'],
  [
    'a Content-Type that says little',
    (it) => registry.script(it.manifestPath, always({ headers: { 'content-type': 'application/json' } })),
    'Ready',
  ],
  [
    'schema 1',
    (it) =>
      registry.putManifest(
        it.repository,
        {
          bytes: toJson({ schemaVersion: 1, fsLayers: [] }),
          mediaType: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
        },
        '1',
      ),
    /schema ?1|schemaVersion 1/i,
  ],
  [
    'tags are refused',
    (it) =>
      registry.script(
        it.manifestPath,
        always({ status: 403, body: '{"errors":[{"code":"DENIED","message":"use digests"}]}' }),
      ),
    /does not let this user read manifest 1 .*DENIED use digests/,
  ],
];

for (const [title, group] of Object.entries({ credentials, logins, transfers, 'old registries': oldRegistries })) {
  describe(title, () => {
    for (const row of group) test(row[0], () => build(row));
  });
}

test('not one byte of a credential reached another host, nor log, database or disk', async () => {
  assert.ok(foreign.requests.length > 0);
  const seen = JSON.stringify(foreign.requests.map(({ query, ...request }) => ({ ...request, query: [...query] })));
  assert.doesNotMatch(seen, /authorization/i);
  tally('requests to another host without a credential', foreign.requests.length);
  // What builds no longer need is wiped as they end; the database's own log is folded in by and by.
  const files = (await readdir(service.dataDirectory)).filter((name) => /^(larder\.db|audit\.log|nonces)/.test(name));
  const disk = await Promise.all(files.map((name) => readFile(join(service.dataDirectory, name), 'latin1')));
  for (const secret of SECRETS) {
    assert.ok(!seen.includes(secret), `another host saw ${secret}`);
    assert.ok(!service.log().includes(secret), `the log holds ${secret}`);
    // Nor the signature of any call, in whatever header or parameter it came.
    assert.doesNotMatch(service.log(), /Signature=|Signature"|ACS3-HMAC/);
    for (const [index, text] of disk.entries()) assert.ok(!text.includes(secret), `${files[index]} holds ${secret}`);
  }
});

test('what 429 says in Retry-After is waited for, with a manifest and with a layer', async () => {
  const image = newImage();
  registry.putImage('busy', image, '1');
  const layer = image.layers[1]?.descriptor.digest ?? assert.fail();
  const paths = ['/v2/busy/manifests/1', `/v2/busy/blobs/${layer}`];
  const askedMs = new Map(paths.map((path): [string, number[]] => [path, []]));
  registry.script('/v2/', () => undefined);
  for (const [path, times] of askedMs) {
    registry.script(path, (_, n) => {
      times.push(performance.now());
      return n === 0 ? { status: 429, headers: { 'retry-after': String(RETRY_AFTER_S) } } : undefined;
    });
  }
  await using own = await startService({
    env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host },
    limits: ['maxRetryDelayMs=1m'],
  });
  const { Status, Events } = await own.settled(await own.create(`${registry.host}/busy:1`));
  assert.equal(Status, 'Ready', JSON.stringify(Events));
  for (const [path, [first_ = 0, second = 0, ...more]] of askedMs) {
    // Without the header it would be tried again after half a second.
    assert.ok(second - first_ >= RETRY_AFTER_S * 1000 - TIMER_MS, `${path}: again after ${second - first_} ms`);
    assert.deepEqual(more, []);
  }
});

describe('mirrors', () => {
  async function withMirror(
    prepare: (mirror: ScriptedRegistry, image: TestImage) => void,
    check: (mirror: ScriptedRegistry) => void,
    prefix = '',
  ): Promise<void> {
    await using mirror = await startScriptedRegistry({ hostname: '127.0.0.3' });
    const image = newImage();
    const repository = `mirrored-${++rows}`;
    registry.script('/v2/', () => undefined);
    withLogin({ repository, image, layerPath: '', manifestPath: '' });
    registry.putImage(repository, image, '1');
    mirror.putImage(`${prefix}${repository}`, image, '1');
    prepare(mirror, image);
    await using own = await startService({
      env: {
        LARDER_PLAIN_HTTP_REGISTRIES: registry.host,
        LARDER_REGISTRY_MIRRORS: `${registry.host}=${mirror.origin}/${prefix}`,
      },
      limits: LIMITS,
    });
    const { Status, Events } = await own.settled(
      await own.create(`${registry.host}/${repository}:1`, {
        'ImageRegistryCredential.1.Server': registry.host,
        'ImageRegistryCredential.1.UserName': 'alice',
        'ImageRegistryCredential.1.Password': PASSWORD,
      }),
    );
    assert.equal(Status, 'Ready', JSON.stringify(Events));
    const seen = JSON.stringify(mirror.requests);
    for (const secret of SECRETS) assert.ok(!seen.includes(secret), 'the mirror saw a credential of the registry');
    check(mirror);
  }
  const asked = (repository: RegExp) => registry.requests.filter(({ path }) => repository.test(path)).length;

  test('a mirror that has everything: the registry is not asked', async () => {
    const askedBefore = registry.requests.length;
    await withMirror(
      () => undefined,
      () => assert.equal(registry.requests.length, askedBefore),
    );
  });

  test('a path goes before the repository', async () => {
    await withMirror(
      () => undefined,
      (mirror) => assert.ok(mirror.requests.every(({ path }) => path.startsWith('/v2/hub/cache/'))),
      'hub/cache/',
    );
  });

  test('a mirror without a layer, one that breaks off, and one that lies in a manifest: the registry helps out', async () => {
    await withMirror(
      (mirror, image) => mirror.script(image.layers[1]?.descriptor.digest ?? '', always({ status: 404 })),
      () => undefined,
    );
    await withMirror(
      (mirror) => mirror.script('/blobs/', (request) => (request.headers.range ? { status: 500 } : { cutAfter: 100 })),
      () => undefined,
    );
    await withMirror(
      (mirror) => mirror.script('/manifests/', always({ body: '{}' })),
      () => assert.ok(asked(/mirrored-\d+\/manifests/) > 0),
    );
  });

  test('a mirror that has a layer wrong is not asked for it again: the registry helps out', async () => {
    await withMirror(
      (mirror, image) => {
        const { descriptor, bytes } = image.layers[1] ?? assert.fail('two layers');
        const wrong = Buffer.from(bytes);
        wrong.writeUInt8(wrong.readUInt8(30_000) ^ 1, 30_000);
        mirror.script(descriptor.digest, always({ body: wrong }));
      },
      (mirror) => {
        const layer = /\/blobs\//;
        // Of the mirror config and two layers; of the registry the one.
        assert.equal(mirror.requests.filter(({ path }) => layer.test(path)).length, 3);
        assert.equal(asked(new RegExp(`mirrored-${rows}/blobs/`)), 1);
      },
    );
  });

  test('a mirror that asks for a login of its own, and one that is silent, are left out after one try', async () => {
    await withMirror(
      (mirror) =>
        mirror.script('/v2/', always({ requireAuthorization: { challenge: 'Basic realm="m"', authorization: 'x' } })),
      (mirror) => assert.equal(mirror.requests.length, 1),
    );
    await withMirror(
      (mirror) => mirror.script('/v2/', always({ silent: true })),
      (mirror) => assert.equal(mirror.requests.length, 1),
    );
  });
});

test('the wait is over when the service stops in the middle of one', async () => {
  registry.script('/v2/', always({ silent: true }));
  const own = await startService({ env: { LARDER_PLAIN_HTTP_REGISTRIES: registry.host } });
  await own.create(`${registry.host}/silent:1`);
  await sleep(100);
  const startedMs = performance.now();
  await own[Symbol.asyncDispose]();
  assert.ok(performance.now() - startedMs < 10_000);
});

test('nothing of all this would have ended the process', () => assert.deepEqual(crashes, []));
