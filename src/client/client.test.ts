import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import {
  ACCESS_KEY_ID,
  accessKey,
  type Gateway,
  REQUEST_ID,
  SECRET,
  TOKEN,
  testGateway,
} from '../../test/fixtures/rpc/gateway.ts';
import { ApiError, bodyText, defineAction, type RpcRequest, readParameters } from '../rpc/index.ts';
import { ApiCallError } from './api-call-error.ts';
import { type ClientOptions, createClient } from './client.ts';

const nowMs = () => Date.now();

async function listen(context: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${portOf(server)}`;
}

function portOf(server: Server): number {
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

const collect = (items: AsyncIterable<unknown>) => Readable.from(items).toArray();

async function toRpcRequest(request: IncomingMessage): Promise<RpcRequest> {
  const [path = '', rawQuery = ''] = (request.url ?? '').split('?');
  const headers = new Map(Object.entries(request.headersDistinct).map(([name, values = []]) => [name, values]));
  return { method: request.method ?? '', path, rawQuery, headers, body: await buffer(request), peer: '' };
}

/** The RPC pipeline behind node:http, with an event stream on /events that echoes the parameters it was asked for. */
function serveGateway(context: TestContext, gateway: Gateway): Promise<string> {
  return listen(context, (incoming, response) => {
    const answer = async () => {
      const request = await toRpcRequest(incoming);
      if (request.path !== '/events') {
        const { status, headers, body } = await gateway.handle(request);
        response.writeHead(status, headers).end(bodyText(body));
        return;
      }
      await gateway.authenticate(request);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(Object.fromEntries(readParameters(request).all))}\n\n`);
      response.write(': still here\n\ndata: {"Progress":\ndata: 2}\n\n');
    };
    answer().catch((error: unknown) => {
      const refused = error instanceof ApiError;
      response
        .writeHead(refused ? error.status : 500)
        .end(JSON.stringify(refused ? { Code: error.code, Message: error.message } : {}));
    });
  });
}

function clientOf(endpoint: string, change: Partial<ClientOptions> = {}) {
  return createClient({
    endpoint,
    accessKeyId: ACCESS_KEY_ID,
    accessKeySecret: SECRET,
    regionId: 'cn-hangzhou',
    timeoutMs: 5000,
    ...change,
  });
}

test('a call goes through the whole gateway, with lists, objects and odd characters', async (context) => {
  const client = clientOf(`http://${await serveGateway(context, testGateway({ nowMs }))}`);
  const created = await client.call('CreateImageCache', {
    ImageCacheName: "a b+c*~é/中!'()",
    Image: ['a', undefined, 'b'],
    'Image.7': 'c',
    ImageCacheSize: 30,
  });
  assert.deepEqual(created, {
    RequestId: REQUEST_ID,
    ImageCacheId: "imc-a b+c*~é/中!'()",
    Images: ['a', 'b', 'c'],
    Size: 30,
  });
  const described = await client.call('DescribeImageCaches', { Tag: [{ Key: 'k', Value: '' }, { Key: 'l' }] });
  assert.deepEqual(described.ImageCaches, [
    {
      Tags: [
        { Key: 'k', Value: '' },
        { Key: 'l', Value: '-' },
      ],
    },
  ]);
});

test('temporary keys send their token; an endpoint needs no scheme', async (context) => {
  const gateway = testGateway({ nowMs, key: accessKey({ securityToken: TOKEN }) });
  const endpoint = await serveGateway(context, gateway);
  await clientOf(endpoint, { securityToken: TOKEN }).call('DescribeImageCaches');
  await assert.rejects(clientOf(endpoint).call('DescribeImageCaches'), { apiCode: 'MissingSecurityToken' });
});

test('a refusal comes as an ApiCallError', async (context) => {
  const client = clientOf(await serveGateway(context, testGateway({ nowMs })));
  await assert.rejects(client.call('CreateImageCache', { ImageCacheName: 'x' }), (error) => {
    assert.ok(error instanceof ApiCallError);
    assert.equal(error.code, 'client.api-error');
    assert.deepEqual([error.apiCode, error.status, error.requestId], ['MissingImage', 400, REQUEST_ID]);
    assert.equal(error.message, `MissingImage: Image is mandatory for this action. (request ${REQUEST_ID})`);
    return true;
  });
});

test('events come parsed, under a signature of their path, and end on abort', async (context) => {
  const client = clientOf(await serveGateway(context, testGateway({ nowMs })));
  const controller = new AbortController();
  const seen: unknown[] = [];
  await assert.rejects(async () => {
    for await (const event of client.openEvents('/events', { ImageCacheId: 'imc-1' }, { signal: controller.signal })) {
      seen.push(event);
      if (seen.length === 2) controller.abort(new Error('enough'));
    }
  }, /enough/);
  assert.deepEqual(seen, [{ RegionId: 'cn-hangzhou', ImageCacheId: 'imc-1' }, { Progress: 2 }]);
  for await (const event of client.openEvents('/events')) {
    assert.deepEqual(event, { RegionId: 'cn-hangzhou' });
    break;
  }
});

test('a stream that is refused says why', async (context) => {
  const client = clientOf(await serveGateway(context, testGateway({ nowMs })), { accessKeySecret: 'wrong' });
  await assert.rejects(collect(client.openEvents('/events')), {
    apiCode: 'SignatureDoesNotMatch',
    requestId: '',
  });
});

test('no server: the message names the endpoint and the next step', async (context) => {
  const endpoint = await listen(context, () => {});
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const port = portOf(gone);
  gone.close();
  await once(gone, 'close');
  assert.notEqual(endpoint, `127.0.0.1:${port}`);
  const error = {
    code: 'client.connection-refused',
    message: new RegExp(`http://127.0.0.1:${port}.*larder serve.*LARDER_ENDPOINT`),
  };
  await assert.rejects(clientOf(`127.0.0.1:${port}`).call('DescribeImageCaches'), error);
  await assert.rejects(collect(clientOf(`127.0.0.1:${port}`).openEvents('/events')), error);
});

test('a server that does not answer: time-out; the caller may abort before', async (context) => {
  const endpoint = await listen(context, () => {});
  await assert.rejects(clientOf(endpoint, { timeoutMs: 50 }).call('DescribeImageCaches'), { code: 'client.timeout' });
  const reason = new Error('stop');
  await assert.rejects(
    clientOf(endpoint).call('DescribeImageCaches', {}, { signal: AbortSignal.abort(reason) }),
    reason,
  );
});

test('answers of something that is not the API', async (context) => {
  const answers: Record<string, [status: number, body: string]> = {
    Html502: [502, '<html>'],
    Html: [200, '<html>'],
    List: [200, '[]'],
    Codeless: [400, '{"RequestId":"x"}'],
  };
  const endpoint = await listen(context, (request, response) => {
    const [status, body] = answers[String(request.headers['x-acs-action'])] ?? [500, ''];
    response.writeHead(status).end(body);
  });
  const client = clientOf(endpoint);
  await assert.rejects(client.call('Html502'), { code: 'client.bad-answer', facts: { status: 502 } });
  await assert.rejects(client.call('Html'), { code: 'client.bad-answer' });
  await assert.rejects(client.call('List'), { code: 'client.bad-answer' });
  await assert.rejects(client.call('Codeless'), { apiCode: 'UnknownError', status: 400, requestId: 'x' });
  const cut = await listen(context, (_, response) => response.destroy());
  await assert.rejects(clientOf(cut).call('X'), { code: 'client.connection-failed' });
});

test('an endpoint is checked at once', () => {
  for (const endpoint of ['', 'ftp://x', 'http://x/path', 'http://user@x', 'http://'])
    assert.throws(() => clientOf(endpoint), { code: 'client.bad-endpoint' });
});

test('an answer is as long as it may be', async (context) => {
  const text = 'x'.repeat(2_000_000);
  const run = async () => ({ Text: text });
  const long = defineAction({
    name: 'Long',
    summary: '',
    params: {},
    result: { Text: { type: 'string', doc: '' } },
    run,
  });
  const answer = await clientOf(await serveGateway(context, testGateway({ nowMs, extra: [long] }))).call('Long');
  assert.equal(answer.Text, text);
  const endless = await listen(context, (_, response) => response.end('x'.repeat(17 * 1024 * 1024)));
  await assert.rejects(clientOf(endless).call('X'), { code: 'client.bad-answer' });
});
