import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ApiError, apiError, failureAnswer, type RpcHandler, renderError } from '../rpc/index.ts';
import { addBlobRoutes, type BlobServices } from './blob-routes.ts';
import { createBodyBudget } from './body-budget.ts';
import { answerBrokenRequest, MAX_HEADER_BYTES } from './broken-request.ts';
import { type ConnectionLimits, guardConnections, requestTimeouts } from './connection-guard.ts';
import { addEventRoute, type EventServices } from './event-route.ts';
import type { Limits } from './limit-table.ts';
import { addMetricsRoute, type MetricsServices } from './metrics-route.ts';
import { splitTarget } from './rpc-request.ts';
import { createRpcRoute, type RequestListener } from './rpc-route.ts';
import type { ServerTls } from './tls.ts';
import { VERSION } from './version.ts';

/** As the vendor's gateway says in its Keep-Alive header. */
const KEEP_ALIVE_MS = 25_000;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
/** The other routes take no bodies. */
const READING = new Set(['GET', 'HEAD']);

export type HttpServices = EventServices &
  BlobServices &
  MetricsServices & {
    rpc: RpcHandler;
    limits: ConnectionLimits & Pick<Limits, 'maxBodyBufferBytes'>;
    /** Absent: plain HTTP. */
    tls?: ServerTls | undefined;
    /** Of an error that is not meant for the caller: whether the same call may succeed later. */
    mayPass?: (error: unknown) => boolean;
  };

/** The HTTP side of the service: RPC on `/`, the event stream, what nodes fetch, the metrics, and three answers that need no key. */
export function createHttpListener(services: HttpServices): FastifyInstance {
  const { limits, tls } = services;
  const { answerMs } = limits;
  const bodies = createBodyBudget(limits.maxBodyBufferBytes);
  const rpcRoute = createRpcRoute(services.rpc, services.stopping, { bodies, answerMs });
  const app = fastify({
    logger: false,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    // The signature covers the text as it came: fastify's own query parser is not used.
    routerOptions: { querystringParser: () => ({}) },
    serverFactory: (routes) =>
      openServer((request, response) => (isRpc(request) ? rpcRoute : routes)(request, response), { tls, limits }),
    // The server has its own.
    clientErrorHandler: () => undefined,
    frameworkErrors: (_error, request, reply) => void sendError(badRequest(), request, reply),
  });
  addEventRoute(app, services);
  addBlobRoutes(app, services);
  addMetricsRoute(app, services);
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
  app.setNotFoundHandler((request, reply) => sendError(apiError('InvalidApi.NotFound'), request, reply));
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    if (error instanceof ApiError) return sendError(error, request, reply);
    const isTheirs = error.statusCode !== undefined && error.statusCode < 500;
    if (isTheirs) return sendError(badRequest(), request, reply);
    services.log.error({ path: splitTarget(request.raw).path, err: error }, 'request failed inside the server');
    return sendError(failureAnswer(error, services.mayPass), request, reply);
  });
  return app;
}

function openServer(
  listener: RequestListener,
  { tls, limits }: { tls: ServerTls | undefined; limits: ConnectionLimits },
): Server {
  const options = {
    ...requestTimeouts(limits),
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Without one the gateway answers all the same; Node.js would answer nothing but a status.
    requireHostHeader: false,
  };
  const server = tls ? openTlsServer(options, tls) : createServer(options);
  guardConnections(server, limits);
  server.on('request', listener);
  // Whatever else a caller expects than 100-continue, it gets an answer.
  server.on('checkExpectation', listener);
  server.on('clientError', answerBrokenRequest);
  return server;
}

function openTlsServer(options: ServerOptions, tls: ServerTls): Server {
  const server = createTlsServer({ ...options, ...tls.options, handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS });
  tls.follow((next) => server.setSecureContext(next));
  return server;
}

/** All but reading other paths is the gateway's, to answer or to refuse. */
function isRpc(request: IncomingMessage): boolean {
  return splitTarget(request).path === '/' || !READING.has(request.method ?? '');
}

function badRequest(): ApiError {
  return apiError('InvalidParameter', { Param: 'request', Reason: 'it cannot be read' });
}

/** What is not RPC answers errors in the API's form too. */
function sendError(error: ApiError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = { format: 'JSON', requestId: randomUUID().toUpperCase(), hostId: request.hostname } as const;
  const { status, headers, body } = renderError(error, answer);
  return reply.code(status).headers(headers).send(body);
}
