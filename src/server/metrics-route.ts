import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Authenticate, readParameters } from '../rpc/index.ts';
import type { Authorize } from './authorize.ts';
import type { Metrics } from './metrics.ts';
import { toRpcRequest } from './rpc-request.ts';

/** The account itself may read them, and its users and roles whose policies allow this by name; none of the system's but AdministratorAccess does. */
const ACTION = { ramAction: 'larder:GetMetrics', ramResource: '*' } as const;
/** A listener on both kinds of addresses shows IPv4 ones as IPv6. */
const LOOPBACK = /^(?:::1|(?:::ffff:)?127(?:\.\d{1,3}){3})$/i;
/** What a proxy on this machine adds; its callers are not on this machine. */
const PROXY_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

export type MetricsServices = {
  authenticate: Authenticate;
  authorize: Authorize;
  metrics: Pick<Metrics, 'text' | 'contentType'>;
};

/** `GET /metrics` in Prometheus' text format: for callers on this machine, and for others with a signature. */
export function addMetricsRoute(app: FastifyInstance, { authenticate, authorize, metrics }: MetricsServices): void {
  app.get('/metrics', async (request, reply) => {
    if (!isLocal(request)) {
      const rpcRequest = toRpcRequest(request.raw);
      const caller = await authenticate(rpcRequest);
      const parameters = readParameters(rpcRequest).all;
      await authorize({
        request: rpcRequest,
        parameters,
        caller,
        action: ACTION,
        regionId: parameters.get('RegionId') ?? '',
      });
    }
    return reply
      .type(metrics.contentType)
      .header('cache-control', 'no-store')
      .send(await metrics.text());
  });
}

function isLocal({ raw }: FastifyRequest): boolean {
  return (
    LOOPBACK.test(raw.socket.remoteAddress ?? '') && PROXY_HEADERS.every((name) => raw.headers[name] === undefined)
  );
}
