import { type FileHandle, open } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type DiskBlobs, isMarkedVerified } from '../blobs/index.ts';
import { isDigest } from '../lib/digest.ts';
import { describeError, errorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/logger.ts';
import { ApiError, apiError, readParameters } from '../rpc/index.ts';
import type { CacheFilter, CachePage } from '../store/index.ts';
import { createSnapshotContents, type NamedBlob } from './blob-routes-content.ts';
import { parseByteRange } from './blob-routes-range.ts';
import { createFileSender } from './blob-routes-stream.ts';
import type { EventServices } from './event-route.ts';
import type { Limits } from './limit-table.ts';
import type { Metrics } from './metrics.ts';
import { toRpcRequest } from './rpc-request.ts';

/** How long a node that finds all streams taken is told to wait. */
const RETRY_AFTER_S = 5;
/** Who may see a cache may have what it holds. */
const ACTION = { ramAction: 'eci:DescribeImageCaches', ramResource: 'imagecache/{ImageCacheId}' } as const;

type FindCaches = (filter: CacheFilter, page: CachePage) => Promise<{ caches: readonly { id: string }[] }>;

export type BlobServices = Omit<EventServices, 'store'> & {
  readonly store: { readonly caches: { readonly find: FindCaches } };
  readonly blobs: Pick<DiskBlobs, 'path' | 'getSnapshot'>;
  readonly log: Logger;
  readonly limits: Pick<Limits, 'maxBlobStreams' | 'blobStallMs'>;
  readonly metrics?: { readonly blobs: Metrics['blobs'] };
};

type Params = { readonly snapshotId: string; readonly key: string };
type OpenBlob = { readonly path: string; readonly file: FileHandle; readonly size: number; readonly etag: string };

/**
 * What nodes fetch, for callers with a V3 signature whose account has a cache with this snapshot:
 *
 *     GET /snapshots/<s-id>?RegionId=…               the manifest
 *     GET /snapshots/<s-id>/blobs/<key>?RegionId=…   a layer blob, or a range of it; HEAD too
 */
export function addBlobRoutes(app: FastifyInstance, services: BlobServices): void {
  const { blobs, store } = services;
  const counters = services.metrics?.blobs;
  const { maxBlobStreams, blobStallMs } = services.limits;
  const contentOf = createSnapshotContents(blobs);
  const sendFileBytes = createFileSender();
  let streams = 0;

  /** Throws unless the caller may see the cache that holds the snapshot. */
  async function admit(request: FastifyRequest, snapshotId: string): Promise<void> {
    const rpcRequest = toRpcRequest(request.raw);
    const caller = await services.authenticate(rpcRequest);
    const sent = readParameters(rpcRequest).all;
    const regionId = sent.get('RegionId') ?? '';
    const { accountId } = caller;
    const { caches } = await store.caches.find({ accountId, regionId, snapshotId }, { limit: 1 });
    const [cache] = caches;
    // The policies are about caches; whoever sends an id of a cache beside the snapshot's has it replaced.
    const parameters = new Map([...sent, ['ImageCacheId', cache?.id ?? '']]);
    const call = { request: rpcRequest, parameters, caller, action: ACTION, regionId };
    await services.authorize(call);
    await services.admit?.(call);
    if (regionId === '') throw apiError('Missing{Param}', { Param: 'RegionId' });
    await services.guard(call);
    if (!cache) throw apiError('InvalidParameter.NotFound', { Param: 'SnapshotId', Value: snapshotId });
  }

  async function sendManifest(request: FastifyRequest<{ Params: Params }>, reply: FastifyReply): Promise<FastifyReply> {
    const { snapshotId } = request.params;
    await admit(request, snapshotId);
    const text = await blobs.getSnapshot(snapshotId);
    if (text === undefined) throw apiError('InvalidParameter.NotFound', { Param: 'SnapshotId', Value: snapshotId });
    return reply.type('application/json;charset=utf-8').header('cache-control', 'no-store').send(text);
  }

  async function sendBlob(request: FastifyRequest<{ Params: Params }>, reply: FastifyReply): Promise<void> {
    const { snapshotId, key } = request.params;
    await admit(request, snapshotId);
    const content = await contentOf(snapshotId);
    const named = isDigest(key) ? content?.get(key) : undefined;
    if (!isDigest(key) || !named) throw apiError('InvalidParameter.NotFound', { Param: 'blob', Value: key });
    if (streams >= maxBlobStreams) {
      reply.header('retry-after', RETRY_AFTER_S);
      throw tooManyStreams();
    }
    streams++;
    counters?.streamOpened();
    try {
      const blob = await openBlob(blobs.path(key), named);
      try {
        await answer(request, reply, blob);
      } finally {
        await blob.file.close();
      }
    } finally {
      streams--;
      counters?.streamClosed();
    }
  }

  async function answer(
    request: FastifyRequest,
    reply: FastifyReply,
    { path, file, size, etag }: OpenBlob,
  ): Promise<void> {
    const { range: wanted, 'if-range': condition } = request.headers;
    const isSame = condition === undefined || (etag !== '' && condition === etag);
    const range = isSame ? parseByteRange(wanted, size) : undefined;
    const common = { 'accept-ranges': 'bytes', 'cache-control': 'no-store', ...(etag === '' ? {} : { etag }) };
    if (range === 'unsatisfiable') {
      reply.headers({ ...common, 'content-range': `bytes */${size}` });
      throw new ApiError({ code: 'InvalidRange', status: 416, message: `The blob has ${size} bytes.` });
    }
    const { from, end } = range ?? { from: 0, end: size };
    reply.hijack();
    const response = reply.raw;
    const cut = () => response.destroy();
    services.stopping.addEventListener('abort', cut, { once: true });
    try {
      response.writeHead(range ? 206 : 200, {
        ...common,
        'content-type': 'application/octet-stream',
        'content-length': end - from,
        ...(range ? { 'content-range': `bytes ${from}-${end - 1}/${size}` } : {}),
      });
      if (request.method === 'HEAD') response.end();
      else
        await sendFileBytes(file, response, {
          name: path,
          from,
          end,
          stallMs: blobStallMs,
          onBytes: (count) => counters?.bytesSent(count),
        });
    } finally {
      services.stopping.removeEventListener('abort', cut);
    }
  }

  async function openBlob(path: string, { bytes, blobDigest }: NamedBlob): Promise<OpenBlob> {
    const file = await openFile(path);
    try {
      const { size } = await file.stat();
      // Any write takes the mark away, so what bears it is what the builder checked.
      if (size !== bytes || !(await isMarkedVerified(path))) throw notVerified();
      return { path, file, size, etag: blobDigest === undefined ? '' : `"${blobDigest}"` };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async function openFile(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'r');
    } catch (error) {
      services.log.error({ err: describeError(error), path }, 'a blob that a snapshot names cannot be read');
      throw errorCode(error) === 'ENOENT' ? missing() : unreadable();
    }
  }

  app.get<{ Params: Params }>('/snapshots/:snapshotId', async (request, reply) => sendManifest(request, reply));
  app.route<{ Params: Params }>({
    method: ['GET', 'HEAD'],
    url: '/snapshots/:snapshotId/blobs/:key',
    handler: async (request, reply) => sendBlob(request, reply),
  });
}

// These are ours alone: the vendor has no such routes, so its table of errors has no rows for them.

function tooManyStreams(): ApiError {
  const message = `The server sends as many blobs as it can; ask again in ${RETRY_AFTER_S} s.`;
  return new ApiError({ code: 'TooManyStreams', status: 503, message }, { retryAfterMs: RETRY_AFTER_S * 1000 });
}

function notVerified(): ApiError {
  const message =
    'The blob on the disk of the server is not known to be what was built; update the image cache to build it anew.';
  return new ApiError({ code: 'BlobNotVerified', status: 503, message });
}

function unreadable(): ApiError {
  const message = 'The disk of the server does not give the blob, or too many files are open; ask again later.';
  return new ApiError({ code: 'BlobUnreadable', status: 503, message });
}

function missing(): ApiError {
  const message = 'The blob is missing on the disk of the server; update the image cache to build it anew.';
  return new ApiError({ code: 'BlobMissing', status: 503, message });
}
