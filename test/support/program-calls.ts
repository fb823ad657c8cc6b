import type { Key } from '../conformance/client.ts';
import type { ClientProgram } from './client-program.ts';
import { REGION_ID } from './larder-server.ts';
import type { Calls as LifecycleCalls, Secret } from './sdk-lifecycle.ts';
import type { Calls as RefusalCalls } from './sdk-refusals.ts';

export type ListedCache = { ImageCacheName: string; Status: string; Images: string[]; Progress: string };
type Call = <T>(action: string, fields: object) => Promise<T>;
/** One of a program's clients with one key. */
type Connection = { program: ClientProgram; client: string; endpoint: string; key: Key };

/** Calls of one of a program's clients, in the region of the tests. */
export function programCall({ program, ...connection }: Connection): Call {
  const regionId = REGION_ID;
  return (action, fields) =>
    program.call({ ...connection, regionId, action, fields: { RegionId: regionId, ...fields } });
}

/** The calls that `testLifecycle` makes. */
export function lifecycleCalls(
  program: ClientProgram,
  client: string,
  endpoint: string,
  { accessKeyId, accessKeySecret }: Secret,
): LifecycleCalls {
  const call = programCall({ program, client, endpoint, key: { id: accessKeyId, secret: accessKeySecret } });
  // Without a model a list is sent as it goes over the wire.
  const isPlain = client.startsWith('common');
  return {
    async create(name, image, plainHttp) {
      const images = isPlain ? { 'Image.1': image } : { Image: [image] };
      const fields = { ImageCacheName: name, ...images, PlainHttpRegistry: plainHttp };
      return (await call<{ ImageCacheId: string }>('CreateImageCache', fields)).ImageCacheId;
    },
    async read(id) {
      const answer = await call<{ ImageCaches: ListedCache[] }>('DescribeImageCaches', { ImageCacheId: id });
      const [cache] = answer.ImageCaches;
      return (
        cache && { name: cache.ImageCacheName, status: cache.Status, images: cache.Images, progress: cache.Progress }
      );
    },
    async delete(id) {
      await call('DeleteImageCache', { ImageCacheId: id });
    },
  };
}

/** The calls that `testRefusals` makes. */
export function refusalCalls(connection: Connection): RefusalCalls {
  const call = programCall(connection);
  return {
    async count(ImageCacheName) {
      return (await call<{ ImageCaches: object[] }>('DescribeImageCaches', { ImageCacheName })).ImageCaches.length;
    },
    async delete(ImageCacheId) {
      await call('DeleteImageCache', { ImageCacheId });
    },
  };
}
