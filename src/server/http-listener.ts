import fastify, { type FastifyInstance } from 'fastify';
import type { RpcHandler } from '../rpc/index.ts';
import { addEventRoute, type EventServices } from './event-route.ts';
import { toRpcRequest } from './rpc-request.ts';
import { VERSION } from './version.ts';

/** Nearly every client puts all parameters into the URL: 100 references, 20 tags, 10 logins and a token need 64 KiB. */
const MAX_HEADER_BYTES = 128 * 1024;
const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** Clients give up after 3 to 10 s; a request that has not arrived by then never will. */
const REQUEST_TIMEOUT_MS = 30_000;
/** As the vendor's gateway says in its Keep-Alive header. */
const KEEP_ALIVE_MS = 25_000;

export type HttpServices = EventServices & { rpc: RpcHandler };

/** The HTTP side of the service: RPC on `/`, the event stream, and three answers that need no key. */
export function createHttpListener(services: HttpServices): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
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
  addEventRoute(app, services);
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
