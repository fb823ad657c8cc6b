import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Authenticate, apiError, readParameters } from '../rpc/index.ts';
import type { Store } from '../store/index.ts';
import type { GuardedCall } from './account-guard.ts';
import type { Authorize } from './authorize.ts';
import { imageCacheEvents } from './event-stream.ts';
import type { AdmittedCall } from './flow-control.ts';
import { toRpcRequest } from './rpc-request.ts';

const MAX_EVENT_STREAMS = 256;
/** The stream shows what this action answers, so it takes the same rights. */
const ACTION = { ramAction: 'eci:DescribeImageCaches', ramResource: 'imagecache/{ImageCacheId}' } as const;

export type EventServices = {
  authenticate: Authenticate;
  authorize: Authorize;
  /** Flow control; absent: none. */
  admit?: (call: AdmittedCall) => Promise<void>;
  guard: (call: GuardedCall) => Promise<void>;
  store: Store;
  stopping: AbortSignal;
};

/** `GET /events?RegionId=…&ImageCacheId=…`: server-sent events of one cache, for callers with a V3 signature. */
export function addEventRoute(app: FastifyInstance, services: EventServices): void {
  let open = 0;

  async function findKey(request: FastifyRequest) {
    const rpcRequest = toRpcRequest(request.raw);
    const caller = await services.authenticate(rpcRequest);
    const parameters = readParameters(rpcRequest).all;
    const [id, regionId] = [parameters.get('ImageCacheId'), parameters.get('RegionId')];
    const call = { request: rpcRequest, parameters, caller, action: ACTION, regionId: regionId ?? '' };
    await services.authorize(call);
    await services.admit?.(call);
    if (!regionId) throw apiError('Missing{Param}', { Param: 'RegionId' });
    if (!id) throw apiError('Missing{Param}', { Param: 'ImageCacheId' });
    await services.guard(call);
    if (open >= MAX_EVENT_STREAMS) throw apiError('Throttling.Api');
    return { accountId: caller.accountId, regionId, id };
  }

  async function stream(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const key = await findKey(request);
    open++;
    const gone = new AbortController();
    reply.raw.once('close', () => {
      open--;
      gone.abort();
    });
    const signal = AbortSignal.any([gone.signal, services.stopping]);
    // A stream pulled by the socket: a slow reader slows the polling, nothing piles up.
    const events = Readable.from(imageCacheEvents(key, { store: services.store, signal }), { highWaterMark: 1 });
    return reply.type('text/event-stream;charset=utf-8').header('cache-control', 'no-store').send(events);
  }

  app.get('/events', async (request, reply) => stream(request, reply));
}
