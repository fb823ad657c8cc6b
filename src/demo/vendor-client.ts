import { LarderError } from '../lib/errors.ts';

export type VendorClient = {
  /** Gives the id of the new image cache. */
  create(name: string, images: readonly string[], plainHttpRegistry: string | undefined): Promise<string>;
  /** The answer in the API's field names, as the SDK understood it. */
  describe(imageCacheId: string): Promise<unknown>;
};

/** The vendor's own npm SDK, unmodified: that it works is what the demo shows. */
export async function createVendorClient(options: {
  endpoint: string;
  regionId: string;
  accessKeyId: string;
  accessKeySecret: string;
}): Promise<VendorClient> {
  const { default: eci } = await import('@alicloud/eci20180808').catch((cause: unknown) => {
    throw new LarderError('demo.no-sdk', "the demo takes the vendor's SDK: npm install @alicloud/eci20180808", {
      cause,
    });
  });
  const { Config } = await import('@alicloud/openapi-client');
  const { regionId, accessKeyId, accessKeySecret } = options;
  const endpoint = options.endpoint.replace(/^http:\/\//, '');
  const client = new eci.default(new Config({ endpoint, protocol: 'HTTP', regionId, accessKeyId, accessKeySecret }));
  return {
    async create(imageCacheName, image, plainHttpRegistry) {
      const fields = {
        regionId,
        imageCacheName,
        image: [...image],
        ...(plainHttpRegistry ? { plainHttpRegistry } : {}),
      };
      const { body } = await client.createImageCache(new eci.CreateImageCacheRequest(fields));
      if (!body.imageCacheId) throw new LarderError('demo.no-id', 'CreateImageCache answered without an ImageCacheId');
      return body.imageCacheId;
    },
    async describe(imageCacheId) {
      const { body } = await client.describeImageCaches(new eci.DescribeImageCachesRequest({ regionId, imageCacheId }));
      return body.toMap();
    },
  };
}
