/** Registries behind a real HTTP proxy, which alone knows their names. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as forward } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { collect, fakeLookup, quickClient } from '../../test/support/registry-client.ts';
import { buildImage } from '../../test/support/registry-image.ts';
import { startScriptedRegistry } from '../../test/support/scripted-registry.ts';
import { parseReference } from '../oci/index.ts';

const AMD64 = { os: 'linux', architecture: 'amd64' };
const signal = new AbortController().signal;
const image = buildImage({ layers: [randomBytes(300_000)] });

/** Tunnels and forwards whatever is asked to loopback, whatever its name; remembers for whom. */
async function startProxy() {
  const asked: string[] = [];
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url ?? '');
    asked.push(`${incoming.headers['proxy-authorization'] ?? ''} GET ${url.host}`.trim());
    const { 'proxy-connection': _, 'proxy-authorization': _password, ...headers } = incoming.headers;
    forward({ host: '127.0.0.1', port: url.port, path: `${url.pathname}${url.search}`, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(outgoing);
    }).end();
  });
  server.on('connect', (incoming, socket) => {
    asked.push(`${incoming.headers['proxy-authorization'] ?? ''} CONNECT ${incoming.url}`.trim());
    const upstream = connect(Number(incoming.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    for (const each of [socket, upstream]) each.on('error', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    asked,
    url: `http://user:secret@127.0.0.1:${address.port}/`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

for (const tls of [true, false]) {
  test(`${tls ? 'HTTPS through a tunnel' : 'plain HTTP'}, with the name known to the proxy only`, async () => {
    await using proxy = await startProxy();
    await using registry = await startScriptedRegistry({ tls });
    registry.putImage('team/app', image, '1');
    const host = `registry.test:${registry.port}`;
    await using client = quickClient({
      // Layers of that size would go past a proxy that is not asked.
      download: { ownConnectionBytes: 0 },
      proxies: { http: proxy.url, https: proxy.url, exceptions: '' },
      lookup: fakeLookup({}),
      ...(tls ? { insecure: [host] } : { plainHttp: [host] }),
    });
    const reference = parseReference(`${host}/team/app:1`);
    const resolved = await client.resolve(reference, AMD64, signal);
    const [layer] = resolved.layers;
    assert.ok(layer);
    const bytes = await collect(client.openLayer(reference, layer, { signal }));
    assert.equal(bytes.byteLength, layer.size);
    const basic = `Basic ${Buffer.from('user:secret').toString('base64')}`;
    assert.deepEqual([...new Set(proxy.asked)], [`${basic} ${tls ? 'CONNECT' : 'GET'} ${host}`]);
    assert.ok(registry.requests.every(({ headers }) => headers['proxy-authorization'] === undefined));
  });
}

test('hosts of NO_PROXY are reached directly', async () => {
  await using proxy = await startProxy();
  await using registry = await startScriptedRegistry();
  registry.putImage('team/app', image, '1');
  const host = `registry.test:${registry.port}`;
  await using client = quickClient({
    proxies: { http: proxy.url, https: proxy.url, exceptions: '.example.com,registry.test' },
    lookup: fakeLookup({ 'registry.test': ['127.0.0.1'] }),
    plainHttp: [host],
  });
  await client.resolve(parseReference(`${host}/team/app:1`), AMD64, signal);
  assert.deepEqual(proxy.asked, []);
});

test('a proxy does not lead to where a registry may not lead', async () => {
  await using proxy = await startProxy();
  await using registry = await startScriptedRegistry();
  registry.putImage('team/app', image, '1');
  const host = `public.test:${registry.port}`;
  for (const target of ['inside.test', '10.0.0.1']) {
    registry.script('/blobs/', () => ({ status: 307, headers: { location: `http://${target}:${registry.port}/x` } }));
    await using client = quickClient({
      proxies: { http: proxy.url, https: proxy.url, exceptions: '' },
      lookup: fakeLookup({ 'public.test': ['9.9.9.9'], 'inside.test': ['10.0.0.1'] }),
      plainHttp: [host],
    });
    const resolving = client.resolve(parseReference(`${host}/team/app:1`), AMD64, signal);
    await assert.rejects(resolving, { code: 'registry.redirect-refused' });
  }
  assert.ok(
    proxy.asked.every((line) => line.endsWith(host)),
    proxy.asked.join('\n'),
  );
});

test('a proxy that refuses is told as such, without its password', async () => {
  await using registry = await startScriptedRegistry({ tls: true });
  const host = `registry.test:${registry.port}`;
  await using client = quickClient({
    proxies: { http: '', https: 'http://user:secret@127.0.0.1:1/', exceptions: '' },
    insecure: [host],
    lookup: fakeLookup({}),
  });
  await assert.rejects(client.resolve(parseReference(`${host}/team/app:1`), AMD64, signal), (error: Error) => {
    assert.match(error.message, /cannot reach registry\.test:\d+/);
    return !JSON.stringify(error).includes('secret') && !error.message.includes('secret');
  });
});
