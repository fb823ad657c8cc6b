import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ApiError, type Authenticate, type RpcHandler, type RpcRequest, readParameters } from '../rpc/index.ts';
import type { Store } from '../store/index.ts';
import { imageCacheEvents } from './event-stream.ts';
import { VERSION } from './version.ts';

/** Nearly every client puts all parameters into the URL: 100 references, 20 tags, 10 logins and a token need 64 KiB. */
const MAX_HEADER_BYTES = 128 * 1024;
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Clients give up after 3 to 10 s; a request that has not arrived by then never will. */
const REQUEST_TIMEOUT_MS = 30_000;
/** As the vendor's gateway says in its Keep-Alive header. */
const KEEP_ALIVE_MS = 25_000;
const MAX_EVENT_STREAMS = 256;

export type HttpServices = { rpc: RpcHandler; authenticate: Authenticate; store: Store; stopping: AbortSignal };

/** The HTTP side of the service: RPC on `/`, the event stream, and three answers that need no key. */
export function createHttpListener(services: HttpServices): FastifyInstance {
  const eventStreams = { open: 0 };
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    // The signature covers the text as it came: fastify's own query parser is not used.
    routerOptions: { querystringParser: () => ({}) },
    http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: REQUEST_TIMEOUT_MS },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

  app.all('/', async (request, reply) => {
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const response = await services.rpc(toRpcRequest(request), AbortSignal.any([gone.signal, services.stopping]));
    return reply.code(response.status).headers(response.headers).send(response.body);
  });
  app.get('/events', (request, reply) => streamEvents(request, reply, { ...services, eventStreams }));
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    if (services.stopping.aborted) return reply.code(503).send({ status: 'stopping' });
    try {
      await services.store.ping();
      return { status: 'ok' };
    } catch {
      return reply.code(503).send({ status: 'the database does not answer' });
    }
  });
  app.get('/version', () => ({ name: 'larder', version: VERSION, api: '2018-08-08' }));
  app.setNotFoundHandler((request, reply) => {
    reply.code(404).send({ message: `nothing at ${request.url.slice(0, 200)}; the API is at /` });
  });
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    reply.code(status).send({ message: status < 500 ? error.message : 'internal error' });
  });
  return app;
}

async function streamEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  services: HttpServices & { eventStreams: { open: number } },
): Promise<FastifyReply> {
  const { eventStreams } = services;
  const rpcRequest = toRpcRequest(request);
  let caller: Awaited<ReturnType<Authenticate>>;
  try {
    caller = await services.authenticate(rpcRequest);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return reply.code(error.status).send({ Code: error.code, Message: error.message });
  }
  const parameters = readParameters(rpcRequest).all;
  const [id, regionId] = [parameters.get('ImageCacheId'), parameters.get('RegionId')];
  if (!id || !regionId) {
    return reply.code(400).send({ Code: 'MissingParameter', Message: 'ImageCacheId and RegionId are mandatory.' });
  }
  if (eventStreams.open >= MAX_EVENT_STREAMS) {
    return reply
      .code(503)
      .send({ Code: 'ServiceUnavailable', Message: `There are ${MAX_EVENT_STREAMS} event streams already.` });
  }
  eventStreams.open++;
  const gone = new AbortController();
  reply.raw.once('close', () => {
    eventStreams.open--;
    gone.abort();
  });
  const signal = AbortSignal.any([gone.signal, services.stopping]);
  const key = { accountId: caller.accountId, regionId, id };
  // A stream pulled by the socket: a slow reader slows the polling, nothing piles up.
  const events = Readable.from(imageCacheEvents(key, { store: services.store, signal }), { highWaterMark: 1 });
  return reply.type('text/event-stream;charset=utf-8').header('cache-control', 'no-store').send(events);
}

function toRpcRequest(request: FastifyRequest): RpcRequest {
  const { raw } = request;
  const [path = '/', ...query] = (raw.url ?? '/').split('?');
  const headers = new Map<string, string[]>();
  for (let index = 0; index + 1 < raw.rawHeaders.length; index += 2) {
    const name = (raw.rawHeaders[index] ?? '').toLowerCase();
    const values = headers.get(name);
    const value = raw.rawHeaders[index + 1] ?? '';
    if (values) values.push(value);
    else headers.set(name, [value]);
  }
  return {
    method: raw.method ?? 'GET',
    path,
    rawQuery: query.join('?'),
    headers,
    body: request.body instanceof Uint8Array ? request.body : new Uint8Array(),
    peer: request.ip,
    secure: false,
  };
}
