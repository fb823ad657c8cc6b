import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { testGateway } from '../../test/fixtures/rpc/gateway.ts';
import { MAX_BODY_BYTES } from './rpc-request.ts';
import { createRpcRoute } from './rpc-route.ts';

async function openRoute(t: TestContext): Promise<number> {
  const server = createServer(createRpcRoute(testGateway().handle, new AbortController().signal));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}

test('after a body that is too long, the caller gets the answer and can go on at once', async (t) => {
  const port = await openRoute(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const post = async (body: Buffer): Promise<number | undefined> => {
    const outgoing = request({ port, host: '127.0.0.1', method: 'POST', agent, timeout: 5000 });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 5 s')));
    outgoing.end(body);
    const [incoming] = await once(outgoing, 'response');
    incoming.resume();
    await once(incoming, 'end');
    return incoming.statusCode;
  };
  assert.equal(await post(Buffer.alloc(MAX_BODY_BYTES + 2 ** 20, 'a')), 400);
  assert.equal(await post(Buffer.from('a=b')), 400);
});
