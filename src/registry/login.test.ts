import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { collect, fakeLookup, quickClient } from '../../test/support/registry-client.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import {
  type RecordedRequest,
  type ScriptedRegistry,
  startScriptedRegistry,
} from '../../test/support/scripted-registry.ts';
import { describeError, LarderError } from '../lib/errors.ts';
import { parseReference } from '../oci/index.ts';
import { type Credential, createRegistryClient } from './index.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const signal = new AbortController().signal;
const image = buildImage({ layers: [randomBytes(5000), randomBytes(6000)] });
const alice = { username: 'alice', password: 'pa:ss wörd' };
const aliceBasic = `Basic ${Buffer.from('alice:pa:ss wörd').toString('base64')}`;
const as = (credential: Credential | undefined) => ({ credentials: () => Promise.resolve(credential) });

/** A registry with a token server at /token; `token` changes what is accepted from now on. */
async function tokenRegistry(answer: (request: RecordedRequest, token: string) => object = (_, token) => ({ token })) {
  const registry = await startScriptedRegistry();
  registry.putImage('team/app', image, 'latest');
  const state = { token: 'T1', issued: 0 };
  registry.script('/v2/', () => ({
    requireAuthorization: {
      challenge: `Bearer realm="${registry.origin}/token",service="reg, istry",scope="repository:team/app:pull,push"`,
      authorization: `Bearer ${state.token}`,
    },
  }));
  registry.serve('/token', (request) => {
    state.issued++;
    return { body: JSON.stringify(answer(request, state.token)) };
  });
  return {
    registry,
    state,
    reference: parseReference(`${registry.host}/team/app`),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

const tokenRequests = (registry: ScriptedRegistry) => registry.requests.filter(({ path }) => path === '/token');

describe('Bearer', () => {
  for (const [name, answer] of [
    ['token', (_: RecordedRequest, token: string) => ({ token, expires_in: 300 })],
    ['access_token', (_: RecordedRequest, token: string) => ({ access_token: token })],
    ['a lifetime of null', (_: RecordedRequest, token: string) => ({ token, expires_in: null })],
  ] as const) {
    test(`anonymous, answered with ${name}`, async () => {
      await using it = await tokenRegistry(answer);
      await using client = quickClient();
      await client.resolve(it.reference, AMD64, signal);
      const [request] = tokenRequests(it.registry);
      assert.equal(request?.query.get('service'), 'reg, istry');
      assert.equal(request?.query.get('scope'), 'repository:team/app:pull,push');
      assert.equal(request?.headers.authorization, undefined);
      assert.equal(it.state.issued, 1);
    });
  }

  test('the password goes to the realm, and nowhere else', async () => {
    await using it = await tokenRegistry();
    await using client = quickClient(as(alice));
    await client.resolve(it.reference, AMD64, signal);
    for (const { path, headers } of it.registry.requests) {
      if (path === '/token') assert.equal(headers.authorization, aliceBasic);
      else assert.ok(headers.authorization === undefined || headers.authorization === 'Bearer T1');
    }
  });

  test('an identity token is posted', async () => {
    await using it = await tokenRegistry((_, token) => ({ access_token: token }));
    await using client = quickClient(as({ identityToken: 'refresh me' }));
    await client.resolve(it.reference, AMD64, signal);
    const [request] = tokenRequests(it.registry);
    const form = new URLSearchParams(request?.body);
    assert.equal(request?.method, 'POST');
    assert.equal(form.get('grant_type'), 'refresh_token');
    assert.equal(form.get('refresh_token'), 'refresh me');
    assert.equal(form.get('scope'), 'repository:team/app:pull,push');
  });

  test('many downloads share one token, also when it ends in the middle of them', async () => {
    await using it = await tokenRegistry();
    await using client = quickClient();
    const { layers } = await client.resolve(it.reference, AMD64, signal);
    assert.equal(it.state.issued, 1);
    it.state.token = 'T2';
    const streams = [...layers, ...layers].map((layer) => collect(client.openLayer(it.reference, layer, { signal })));
    const bytes = await Promise.all(streams);
    assert.deepEqual(bytes[0], Buffer.from(image.layers[0]?.bytes ?? []));
    assert.equal(it.state.issued, 2);
  });

  test('a token that ends in the middle of a layer: resumed with a new one', async () => {
    await using it = await tokenRegistry();
    await using client = quickClient();
    const { layers } = await client.resolve(it.reference, AMD64, signal);
    const challenge = `Bearer realm="${it.registry.origin}/token"`;
    it.registry.script('/blobs/', (_, n) => {
      if (n === 0) return { cutAfter: 2000 };
      it.state.token = 'T2';
      return { requireAuthorization: { challenge, authorization: 'Bearer T2' } };
    });
    const [layer] = layers;
    assert.ok(layer);
    assert.deepEqual(await collect(client.openLayer(it.reference, layer, { signal })), image.layers[0]?.bytes);
    assert.equal(tokenRequests(it.registry).at(-1)?.query.get('scope'), 'repository:team/app:pull');
    assert.equal(it.registry.requests.at(-1)?.headers.range, 'bytes=2000-');
  });

  test('a token past its lifetime is not sent again', async () => {
    await using it = await tokenRegistry((_, token) => ({ token, expires_in: 100 }));
    let nowMs = 0;
    await using client = quickClient({ clock: { now: () => nowMs } });
    await client.resolve(it.reference, AMD64, signal);
    nowMs = 94_000;
    await client.resolve(it.reference, AMD64, signal);
    assert.equal(it.state.issued, 1);
    nowMs = 96_000;
    await client.resolve(it.reference, AMD64, signal);
    assert.equal(it.state.issued, 2);
  });

  test('useless answers of the token server', async () => {
    for (const answer of [{}, { token: '' }, { token: 'a\r\nx: y' }, { token: 5 }, []]) {
      await using it = await tokenRegistry(() => answer);
      await using client = quickClient();
      await assert.rejects(client.resolve(it.reference, AMD64, signal), { code: 'registry.invalid-response' });
    }
  });
});

describe('Basic', () => {
  test('first of several challenges that Larder knows', async () => {
    await using registry = await startScriptedRegistry();
    registry.putImage('app', image, 'latest');
    const challenge = ['Negotiate', 'basic Realm="x, y"'];
    registry.script('/v2/', () => ({ requireAuthorization: { challenge, authorization: aliceBasic } }));
    await using client = quickClient(as(alice));
    const resolved = await client.resolve(parseReference(`${registry.host}/app`), AMD64, signal);
    assert.equal(resolved.manifestDigest, image.manifestDigest);
  });

  test('a registry that hides what anonymous users may not see is logged in to first', async () => {
    await using registry = await startScriptedRegistry();
    registry.putImage('app', image, 'latest');
    registry.script('/app/', ({ headers }) => (headers.authorization === aliceBasic ? undefined : { status: 404 }));
    registry.script('/v2/', ({ path, headers }) => {
      if (path === '/v2/') return { requireAuthorization: { challenge: 'Basic realm="x"', authorization: aliceBasic } };
      return headers.authorization === aliceBasic ? undefined : { status: 404 };
    });
    const reference = parseReference(`${registry.host}/app`);
    await using client = quickClient(as(alice));
    await client.resolve(reference, AMD64, signal);
    await using nobody = quickClient();
    await assert.rejects(nobody.resolve(reference, AMD64, signal), { code: 'registry.not-found' });
  });
});

describe('refused logins', () => {
  const cases = [
    ['a wrong password', alice, true, /refuses the credential/],
    ['no credential', undefined, false, /no credential for it.*--credential 127\.0\.0\.1:\d+=USER:PASSWORD/],
    ['an identity token where only Basic is known', { identityToken: 'refresh me' }, true, /no way to log in/],
  ] as const;
  for (const [name, credential, credentialUsed, message] of cases) {
    test(`${name}, told without the secret`, async () => {
      await using registry = await startScriptedRegistry();
      registry.script('/v2/', () => ({
        requireAuthorization: { challenge: 'Basic realm="x"', authorization: 'other' },
      }));
      await using client = quickClient(as(credential));
      await assert.rejects(client.resolve(parseReference(`${registry.host}/app`), AMD64, signal), (error) => {
        assert.ok(error instanceof LarderError);
        assert.equal(error.code, 'registry.unauthorized');
        assert.equal(error.facts.credentialUsed, credentialUsed);
        assert.match(error.message, message);
        const all = `${describeError(error)} ${JSON.stringify(error)} ${error.stack}`;
        assert.ok(!all.includes(alice.password) && !all.includes(aliceBasic.slice(6)) && !all.includes('refresh me'));
        return true;
      });
      assert.ok(registry.requests.length <= 3);
    });
  }

  test('by the token server', async () => {
    await using it = await tokenRegistry();
    it.registry.serve('/token', () => ({ status: 401, body: '{"details":"incorrect username or password"}' }));
    await using client = quickClient(as(alice));
    const refused = { code: 'registry.unauthorized', message: /refuses the credential.*incorrect username/ };
    await assert.rejects(client.resolve(it.reference, AMD64, signal), refused);
    assert.equal(tokenRequests(it.registry).length, 1);
  });

  test('a credential that was changed is asked for again', async () => {
    await using it = await tokenRegistry();
    it.registry.serve('/token', ({ headers }) =>
      headers.authorization === aliceBasic ? { body: '{"token":"T1"}' } : { status: 401 },
    );
    let password = 'old';
    await using client = quickClient({ credentials: () => Promise.resolve({ ...alice, password }) });
    await assert.rejects(client.resolve(it.reference, AMD64, signal), { code: 'registry.unauthorized' });
    password = alice.password;
    await client.resolve(it.reference, AMD64, signal);
  });
});

describe('realms', () => {
  /** A registry at public.test, which is on the internet as far as its addresses tell, and here all the same. */
  async function resolveWith(challenge: (port: number) => string, options: { tls: boolean }) {
    await using registry = await startScriptedRegistry({ tls: options.tls });
    await using elsewhere = await startScriptedRegistry({ tls: options.tls });
    registry.script('/v2/', () => ({
      requireAuthorization: { challenge: challenge(elsewhere.port), authorization: 'x' },
    }));
    elsewhere.serve('/token', () => ({ body: '{"token":"x"}' }));
    await using client = quickClient({
      ...as(alice),
      lookup: fakeLookup({ 'public.test': ['127.0.0.1', '9.9.9.9'], 'inside.test': ['127.0.0.1'] }),
      plainHttp: options.tls ? [] : [`public.test:${registry.port}`],
      insecure: options.tls ? [`public.test:${registry.port}`] : [],
    });
    try {
      await client.resolve(parseReference(`public.test:${registry.port}/app`), AMD64, signal);
    } finally {
      assert.deepEqual(elsewhere.requests, []);
    }
  }

  const refused: readonly [string, boolean, (port: number) => string, RegExp][] = [
    ['plain http of an https registry', true, (port) => `http://public.test:${port}/token`, /plain HTTP/],
    [
      'a private address of a public registry',
      false,
      (port) => `http://127.0.0.1:${port}/token`,
      /private or link-local/,
    ],
    ['such an address in disguise', false, (port) => `http://0x7f.1:${port}/token`, /private or link-local/],
    ['IPv4 in IPv6', false, (port) => `http://[::ffff:127.0.0.1]:${port}/token`, /private or link-local/],
    ['a name with a private address', false, (port) => `http://inside.test:${port}/token`, /private or link-local/],
    ['the metadata service', false, () => 'http://169.254.169.254/latest/meta-data/', /private or link-local/],
    ['a user name', false, (port) => `http://u:p@public.test:${port}/token`, /user name/],
    ['another scheme', false, () => 'file:///etc/passwd', /web address/],
    ['no URL', false, () => 'token', /web address/],
  ];
  for (const [name, tls, realm, message] of refused) {
    test(`refuses ${name}`, async () => {
      const resolving = resolveWith((port) => `Bearer realm="${realm(port)}"`, { tls });
      await assert.rejects(resolving, { code: 'registry.realm-refused', message });
    });
  }

  test('an internal registry may have its realm on another internal host, but not at the metadata service', async () => {
    await using registry = await startScriptedRegistry();
    await using tokens = await startScriptedRegistry();
    registry.putImage('app', image, 'latest');
    let realm = `http://auth.test:${tokens.port}/token`;
    registry.script('/v2/', () => ({
      requireAuthorization: { challenge: `Bearer realm="${realm}"`, authorization: 'Bearer x' },
    }));
    tokens.serve('/token', () => ({ body: '{"token":"x"}' }));
    const make = () =>
      createRegistryClient({
        lookup: fakeLookup({ 'inside.test': ['127.0.0.1'], 'auth.test': ['127.0.0.2'] }),
        plainHttp: [`inside.test:${registry.port}`],
        retry: { attempts: 1 },
      });
    const reference = parseReference(`inside.test:${registry.port}/app`);
    const client = make();
    // The token server listens on 127.0.0.1 alone, so getting as far as a refused connection is leave to go there.
    await assert.rejects(client.resolve(reference, AMD64, signal), { code: 'registry.unreachable' });
    realm = `http://127.0.0.1:${tokens.port}/token`;
    await client.resolve(reference, AMD64, signal);
    await client.close();
    realm = 'http://100.100.100.200/token';
    const second = make();
    await assert.rejects(second.resolve(reference, AMD64, signal), { code: 'registry.realm-refused' });
    await second.close();
  });
});
