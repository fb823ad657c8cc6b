/** Large bodies, from servers that are slow, break off, refuse, or answer in another way than expected. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TEST_CERTIFICATE, TEST_KEY } from '../../test/support/registry-certificate.ts';
import { createClient } from './client.ts';
import type { Trust } from './trust.ts';

const content = randomBytes(5_000_000);

async function listen(context: TestContext, server: Server & { closeAllConnections(): void }): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return `127.0.0.1:${address.port}`;
}

const serve = (context: TestContext, listener: RequestListener) => listen(context, createServer(listener));

const clientOf = (endpoint: string, trust?: Trust) =>
  createClient({ endpoint, accessKeyId: 'id', accessKeySecret: 'secret', regionId: 'r', timeoutMs: 2000, trust });

/** Chunks are copied, as their memory is used again. */
async function readAll(bytes: AsyncIterable<Uint8Array>, pauseMs = 0): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) {
    if (pauseMs > 0) await sleep(pauseMs);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

test('the body comes whole, to fast readers and slow ones, in large writes and small', async (context) => {
  const endpoint = await serve(context, (request, response) => {
    assert.equal(request.headers.range, 'bytes=0-');
    response.writeHead(206, {
      'content-length': content.length,
      'content-range': `bytes 0-1/2`,
      'X-Twice': ['a', 'b'],
    });
    const writeBytes = request.url?.includes('small') ? 7_777 : content.length;
    const parts = function* () {
      for (let at = 0; at < content.length; at += writeBytes) yield content.subarray(at, at + writeBytes);
    };
    void pipeline(parts, response);
  });
  for (const [path, pauseMs] of [
    ['/large', 0],
    ['/large', 3],
    ['/small', 0],
  ] as const) {
    const { status, headers, bytes } = await clientOf(endpoint).openLargeBody(path, {}, { range: 'bytes=0-' });
    assert.deepEqual([status, headers.get('content-range'), headers.get('x-twice')], [206, 'bytes 0-1/2', 'a, b']);
    assert.ok((await readAll(bytes, pauseMs)).equals(content));
  }
});

test('a connection that ends too early is an error, after the bytes that came', async (context) => {
  const endpoint = await serve(context, (_request, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 1000), () => response.destroy());
  });
  const { bytes } = await clientOf(endpoint).openLargeBody('/x');
  let got = 0;
  const reading = async () => {
    for await (const chunk of bytes) got += chunk.length;
  };
  await assert.rejects(reading, { code: 'client.connection-failed' });
  assert.equal(got, 1000);
});

test('refusals, and bodies without a length, are read as others are', async (context) => {
  const endpoint = await serve(context, (request, response) => {
    if (request.url?.startsWith('/chunked')) return void response.write(content.subarray(0, 100), () => response.end());
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"Code":"NoSuch","Message":"none"}');
  });
  const client = clientOf(endpoint);
  await assert.rejects(client.openLargeBody('/x'), {
    code: 'client.api-error',
    facts: { status: 404, apiCode: 'NoSuch', requestId: '' },
  });
  const { bytes } = await client.openLargeBody('/chunked');
  assert.ok((await readAll(bytes)).equals(content.subarray(0, 100)));
});

test('no server, no answer, and aborts', async (context) => {
  const silent = await serve(context, () => {});
  await assert.rejects(clientOf(silent).openLargeBody('/x'), { code: 'client.timeout' });
  const gone = createServer();
  const address = await listen(context, gone);
  gone.close();
  await assert.rejects(clientOf(address).openLargeBody('/x'), { code: 'client.connection-refused' });
  const slow = await serve(context, (_request, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('12345');
  });
  const aborts = new AbortController();
  const { bytes } = await clientOf(slow).openLargeBody('/x', {}, { signal: aborts.signal });
  const reading = readAll(bytes);
  setTimeout(() => aborts.abort(new Error('enough')), 50);
  await assert.rejects(reading, /enough/);
});

test('over TLS: with the certificates that the settings name, and no others', async (context) => {
  const endpoint = await listen(
    context,
    createTlsServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, (_request, response) => {
      response.writeHead(200, { 'content-length': content.length }).end(content);
    }),
  );
  for (const trust of [{ authorities: TEST_CERTIFICATE }, { pinned: TEST_CERTIFICATE }]) {
    const { bytes } = await clientOf(`https://${endpoint}`, trust).openLargeBody('/x');
    assert.ok((await readAll(bytes)).equals(content));
  }
  await assert.rejects(clientOf(`https://${endpoint}`).openLargeBody('/x'), { code: 'client.untrusted-certificate' });
});
