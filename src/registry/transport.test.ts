import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { collect, fakeLookup, quickClient, WAYS } from '../../test/support/registry-client.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { type ScriptedRegistry, startScriptedRegistry } from '../../test/support/scripted-registry.ts';
import { parseReference } from '../oci/index.ts';
import type { RegistryClientOptions } from './index.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const signal = new AbortController().signal;
const image = buildImage({ layers: [randomBytes(5000)] });
const [layer] = image.layers;
assert.ok(layer);
const { descriptor, bytes } = layer;
const alice = { credentials: () => Promise.resolve({ username: 'alice', password: 'secret' }) };
const blobPath = `/v2/app/blobs/${descriptor.digest}`;

/** A registry that wants Basic and sends blobs elsewhere. */
async function redirecting(location: string | ((n: number) => string), options: { tls?: boolean } = {}) {
  const registry = await startScriptedRegistry(options);
  const authorization = `Basic ${Buffer.from('alice:secret').toString('base64')}`;
  registry.script('/v2/', ({ headers, path }, n) => {
    if (headers.authorization !== authorization) {
      return { requireAuthorization: { challenge: 'Basic realm="x"', authorization } };
    }
    if (!path.includes('/blobs/')) return undefined;
    return { status: 307, headers: { location: typeof location === 'string' ? location : location(n) } };
  });
  return registry;
}

for (const { way, ownConnectionBytes } of WAYS) {
  describe(`redirects over ${way}`, () => {
    async function openLayer(host: string, options: RegistryClientOptions = {}): Promise<Buffer> {
      await using client = quickClient({ ...options, download: { ownConnectionBytes } });
      return await collect(client.openLayer(parseReference(`${host}/app`), descriptor, { signal }));
    }

    test('are followed without the credential, and a range goes along', async () => {
      await using storage = await startScriptedRegistry();
      storage.putBlob(bytes);
      storage.script('/blobs/', (_, n) => (n === 0 ? { cutAfter: 1000 } : undefined));
      await using registry = await redirecting(`${storage.origin}${blobPath}?signature=1`);
      assert.deepEqual(await openLayer(registry.host, alice), bytes);
      assert.equal(storage.requests.length, 2);
      for (const { headers } of storage.requests) assert.equal(headers.authorization, undefined);
      assert.equal(storage.requests[1]?.headers.range, 'bytes=1000-');
    });

    test('a storage that asks for a login gets none; a new address is fetched', async () => {
      await using storage = await startScriptedRegistry();
      storage.putBlob(bytes);
      const challenge = `Bearer realm="${storage.origin}/token"`;
      storage.script('/blobs/', (_, n) =>
        n === 0 ? { requireAuthorization: { challenge, authorization: 'x' } } : undefined,
      );
      await using registry = await redirecting(`${storage.origin}${blobPath}`);
      assert.deepEqual(await openLayer(registry.host, alice), bytes);
      assert.equal(storage.count('/token'), 0);
      assert.equal(registry.count(blobPath), 2);
    });

    test('a chain that leads back to the registry arrives there without the credential', async () => {
      let target = '';
      await using registry = await startScriptedRegistry();
      await using storage = await startScriptedRegistry();
      registry.putBlob(bytes);
      storage.script('/blobs/', () => ({ status: 302, headers: { location: `${registry.origin}${blobPath}?back` } }));
      registry.script('/blobs/', ({ query }) =>
        query.has('back') ? undefined : { status: 302, headers: { location: target } },
      );
      target = `${storage.origin}${blobPath}`;
      registry.script('/v2/', ({ path, headers, query }) => {
        if (path === '/v2/') return { requireAuthorization: { challenge: 'Basic realm="x"', authorization: 'x' } };
        if (query.has('back')) assert.equal(headers.authorization, undefined);
        return query.has('back') ? undefined : { status: 302, headers: { location: target } };
      });
      assert.deepEqual(await openLayer(registry.host, alice), bytes);
    });

    const refused: readonly [string, { tls?: boolean }, (port: number) => string, string, RegExp][] = [
      [
        'from https to http',
        { tls: true },
        (port) => `http://127.0.0.1:${port}/x`,
        'registry.redirect-refused',
        /plain HTTP/,
      ],
      ['to another scheme', {}, () => 'file:///etc/passwd', 'registry.redirect-refused', /file:/],
      [
        'to an address with a user name',
        {},
        (port) => `http://u:p@127.0.0.1:${port}/x`,
        'registry.redirect-refused',
        /user name/,
      ],
      ['to the metadata service', {}, () => 'http://169.254.169.254/latest', 'registry.redirect-refused', /link-local/],
      ['in a circle', {}, () => blobPath, 'registry.redirect-refused', /maxRedirects/],
      ['to nowhere', {}, () => 'http://', 'registry.invalid-response', /none/],
    ];
    for (const [name, options, location, code, message] of refused) {
      test(`refuses ${name}`, async () => {
        await using storage = await startScriptedRegistry();
        await using registry = await redirecting(location(storage.port), options);
        await assert.rejects(openLayer(registry.host, alice), { code, message });
        assert.equal(storage.requests.length, 0);
      });
    }

    test('a public registry does not lead to a private address, by number or by name', async () => {
      await using storage = await startScriptedRegistry();
      storage.putBlob(bytes);
      for (const host of ['127.0.0.1', 'inside.test']) {
        await using registry = await redirecting(`http://${host}:${storage.port}${blobPath}`);
        const named = `public.test:${registry.port}`;
        const lookup = fakeLookup({ 'public.test': ['127.0.0.1', '9.9.9.9'], 'inside.test': ['127.0.0.1'] });
        const opening = openLayer(named, { ...alice, plainHttp: [named], lookup });
        await assert.rejects(opening, { code: 'registry.redirect-refused', message: /private/ });
      }
      assert.equal(storage.requests.length, 0);
    });
  });
}

describe('TLS', () => {
  const resolve = async (registry: ScriptedRegistry, name: string, options: RegistryClientOptions = {}) => {
    await using client = quickClient({ lookup: fakeLookup({ 'registry.test': ['127.0.0.1'] }), ...options });
    return await client.resolve(parseReference(`${name}:${registry.port}/app`), AMD64, signal);
  };

  test('loopback hosts: TLS that need not verify, else plain HTTP, as in Docker', async () => {
    for (const tls of [true, false]) {
      await using registry = await startScriptedRegistry({ tls });
      registry.putImage('app', image, 'latest');
      assert.equal((await resolve(registry, '127.0.0.1')).manifestDigest, image.manifestDigest);
    }
  });

  test('other hosts: the lists decide, and the errors name them', async () => {
    await using secure = await startScriptedRegistry({ tls: true });
    await using plain = await startScriptedRegistry();
    for (const registry of [secure, plain]) registry.putImage('app', image, 'latest');
    const insecure = { insecure: [`Registry.test:${secure.port}`] };
    const plainHttp = { plainHttp: [`registry.test:${plain.port}`] };
    await resolve(secure, 'registry.test', insecure);
    await resolve(plain, 'registry.test', plainHttp);
    const untrusted = { code: 'registry.tls', message: new RegExp(`--insecure registry.test:${secure.port}`) };
    await assert.rejects(resolve(secure, 'registry.test'), untrusted);
    const notTls = { code: 'registry.plain-http', message: new RegExp(`--plain-http registry.test:${plain.port}`) };
    await assert.rejects(resolve(plain, 'registry.test'), notTls);
    await assert.rejects(resolve(secure, 'registry.test', { plainHttp: [`registry.test:${secure.port}`] }), {
      code: 'registry.unreachable',
    });
  });
});
