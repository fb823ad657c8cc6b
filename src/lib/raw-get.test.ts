/** Answers that a server writes byte by byte. What a whole client makes of large bodies is in client/large-body.test.ts. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { rawGet } from './raw-get.ts';

/** A server that answers every request with this and ends the connection; keeps what it was asked. */
async function serve(context: TestContext, answer: string): Promise<{ url: URL; asked: string[] }> {
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => {
      asked.push(bytes.toString('latin1'));
      socket.end(answer, 'latin1');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { url: new URL(`http://127.0.0.1:${address.port}/a%20b?c=d`), asked };
}

const get = (url: URL, headers: Record<string, string> = {}) =>
  rawGet(url, { headers, connect: { tls: {}, timeoutMs: 1000 }, signal: undefined, headMs: 1000, silenceMs: 1000 });

test('any status of known length is an answer, with the headers as node gives them', async (context) => {
  const head =
    'HTTP/1.1 307 Elsewhere\r\nLocation: /x\r\nWWW-Authenticate: Basic\r\nwww-authenticate:  Bearer a="b"\r\n';
  const { url, asked } = await serve(context, `${head}Content-Length: 3\r\n\r\nabc and more`);
  const answer = await get(url, { range: 'bytes=1-' });
  assert.equal(answer?.status, 307);
  assert.deepEqual(answer.headers, {
    location: '/x',
    'www-authenticate': 'Basic, Bearer a="b"',
    'content-length': '3',
  });
  assert.equal(Buffer.from((await answer.read()) ?? []).toString(), 'abc');
  assert.equal(await answer.read(), undefined);
  assert.deepEqual(asked, [
    `GET /a%20b?c=d HTTP/1.1\r\nhost: ${url.host}\r\nrange: bytes=1-\r\nconnection: close\r\n\r\n`,
  ]);
});

for (const [name, answer] of [
  ['no length', 'HTTP/1.1 200 OK\r\n\r\nabc'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd'],
  ['chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc'],
  ['what is no HTTP', 'SSH-2.0-x\r\n\r\n'],
  ['an endless head', `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1 << 20)}`],
] as const) {
  test(`${name} is for a whole client`, async (context) => {
    const { url, asked } = await serve(context, answer);
    assert.equal(await get(url), undefined);
    assert.equal(asked.length, 1);
  });
}

test('a header that would be two is never sent', async (context) => {
  const { url, asked } = await serve(context, 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  for (const value of ['a\r\nhost: b', 'a\nb', 'a\0b', 'ä'])
    assert.equal(await get(url, { authorization: value }), undefined);
  assert.deepEqual(asked, []);
});

test('an answer that ends early is no answer', async (context) => {
  const early = { code: 'ERR_STREAM_PREMATURE_CLOSE' };
  await assert.rejects(get((await serve(context, 'HTTP/1.1 200 OK\r\n')).url), early);
  const answer = await get((await serve(context, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc')).url);
  await answer?.read();
  await assert.rejects(async () => answer?.read(), early);
});

test('a server that never says hello in TLS is given up in time', async (context) => {
  const silent = createServer((socket) => socket.on('error', () => undefined));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  context.after(() => silent.close());
  const address = silent.address();
  assert.ok(typeof address === 'object' && address !== null);
  const options = {
    headers: {},
    connect: { tls: {}, timeoutMs: 50 },
    signal: undefined,
    headMs: 1000,
    silenceMs: 1000,
  };
  await assert.rejects(rawGet(new URL(`https://127.0.0.1:${address.port}/`), options), { code: 'CONNECT_TIMEOUT' });
});
