import { setTimeout as sleep } from 'node:timers/promises';
import eci, { type DescribeImageCachesResponseBodyImageCaches } from '@alicloud/eci20180808';
import { Config } from '@alicloud/openapi-client';
import { ACCESS_KEY, REGION_ID } from './larder-server.ts';

const { default: Client, CreateImageCacheRequest, DescribeImageCachesRequest, DeleteImageCacheRequest } = eci;

const POLL_MS = 50;

/** What DescribeImageCaches says of one cache, in the words of the vendor's SDK. */
export type DescribedCache = DescribeImageCachesResponseBodyImageCaches;

/** What the tests set of CreateImageCache. */
export type CreateFields = {
  imageCacheName: string;
  image: readonly string[];
  imageCacheSize?: number;
  plainHttpRegistry?: string;
  imageRegistryCredential?: readonly { server: string; userName: string; password: string }[];
};

export type ImageCacheClient = {
  create(fields: CreateFields): Promise<string>;
  describe(id: string): Promise<DescribedCache | undefined>;
  delete(id: string): Promise<void>;
  /** Polls until the cache is Ready or Failed and returns it; throws after the time-out. */
  waitUntilDone(id: string, timeoutMs: number): Promise<DescribedCache>;
  /** Creates, waits, and throws with the cache's events unless it becomes Ready. Returns the id. */
  createReady(images: readonly string[], timeoutMs: number): Promise<string>;
};

/** Image caches through the vendor's own SDK (2.0.3, ACS3 signatures) over plain http. */
export function createImageCacheClient(endpoint: string): ImageCacheClient {
  const client = new Client(new Config({ ...ACCESS_KEY, endpoint, protocol: 'HTTP', regionId: REGION_ID }));

  async function create(fields: CreateFields): Promise<string> {
    const answer = await client.createImageCache(new CreateImageCacheRequest({ regionId: REGION_ID, ...fields }));
    if (!answer.body.imageCacheId) throw new Error('CreateImageCache answered without an id');
    return answer.body.imageCacheId;
  }
  async function describe(imageCacheId: string): Promise<DescribedCache | undefined> {
    const request = new DescribeImageCachesRequest({ regionId: REGION_ID, imageCacheId });
    return (await client.describeImageCaches(request)).body.imageCaches?.[0];
  }
  async function waitUntilDone(id: string, timeoutMs: number): Promise<DescribedCache> {
    const deadlineMs = Date.now() + timeoutMs;
    for (;;) {
      const cache = await describe(id);
      if (!cache) throw new Error(`image cache ${id} is gone`);
      if (cache.status === 'Ready' || cache.status === 'Failed') return cache;
      if (Date.now() > deadlineMs)
        throw new Error(`still ${cache.status} after ${timeoutMs} ms:\n${showEvents(cache)}`);
      await sleep(POLL_MS);
    }
  }
  return {
    create,
    describe,
    waitUntilDone,
    async delete(imageCacheId) {
      await client.deleteImageCache(new DeleteImageCacheRequest({ regionId: REGION_ID, imageCacheId }));
    },
    async createReady(images, timeoutMs) {
      const hosts = new Set(images.map((image) => image.split('/')[0]));
      const id = await create({ imageCacheName: 'test', image: images, plainHttpRegistry: [...hosts].join(',') });
      const cache = await waitUntilDone(id, timeoutMs);
      if (cache.status !== 'Ready') throw new Error(`image cache ${cache.status}:\n${showEvents(cache)}`);
      return id;
    },
  };
}

/** The Warning events' messages, joined. */
export function warnings(cache: DescribedCache): string {
  return (cache.events ?? [])
    .filter((event) => event.type === 'Warning')
    .map((event) => `${event.reason}: ${event.message}`)
    .join('\n');
}

function showEvents(cache: DescribedCache): string {
  return (cache.events ?? []).map((event) => `${event.type} ${event.reason}: ${event.message}`).join('\n');
}
