import type { Client, Params, Wire } from './client.ts';

export type SampleCall = { readonly params: Params; readonly wire?: Wire };

const TYPE = { ResourceType: 'ImageCache' } as const;
const TAG = { Key: 'env', Value: 'prod' } as const;

/** For each action a call that succeeds, once, and what it needs made before. */
export const SAMPLE_CALLS: Readonly<Record<string, (client: Client) => Promise<SampleCall>>> = {
  CreateImageCache: async (client) => ({ params: { ImageCacheName: 'sample', Image: [client.image] } }),
  DescribeImageCaches: async () => ({ params: {} }),
  UpdateImageCache: async (client) => ({ params: { ImageCacheId: await client.create(), ImageCacheName: 'renamed' } }),
  DeleteImageCache: async (client) => ({ params: { ImageCacheId: await client.create() } }),
  TagResources: async (client) => ({ params: { ...TYPE, ResourceId: [await client.create()], Tag: [TAG] } }),
  UntagResources: async (client) => ({
    params: { ...TYPE, ResourceId: [await client.create({ Tag: [TAG] })], All: true },
  }),
  ListTagResources: async (client) => {
    await client.create({ Tag: [TAG, { Key: 'empty', Value: '' }] });
    return { params: { ...TYPE } };
  },
  ListUsage: async () => ({ params: {} }),
  DescribeRegions: async () => ({ params: {} }),
  DescribeEndpoints: async () => ({
    params: { Id: 'cn-hangzhou', ServiceCode: 'eci', Type: 'openAPI' },
    wire: { version: '2015-06-12' },
  }),
};
