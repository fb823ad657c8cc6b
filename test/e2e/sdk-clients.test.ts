/** The vendor's unmodified npm clients against `larder serve`, over plain http: create, poll, read, delete, and a typed error. */
import assert from 'node:assert/strict';
import eci from '@alicloud/eci20180808';
import { Config } from '@alicloud/openapi-client';
import core from '@alicloud/openapi-core';
import RpcClient from '@alicloud/pop-core';
import { Config as RpcConfig } from '@alicloud/rpc-client';
import { RuntimeOptions } from '@darabonba/typescript';
import eciV1 from 'eci20180808-v1';
import { REGION_ID } from '../support/larder-server.ts';
import { skipWithout } from '../support/requirements.ts';
import { type Calls, type Secret, testLifecycle } from '../support/sdk-lifecycle.ts';

const CLIENTS: Record<string, (endpoint: string, secret: Secret) => Calls> = {
  '@alicloud/eci20180808 2.0.3': (endpoint, secret) => {
    const client = new eci.default(new Config({ ...secret, endpoint, protocol: 'HTTP', regionId: REGION_ID }));
    return teaCalls(client, eci);
  },
  '@alicloud/eci20180808 1.3.1': (endpoint, secret) => {
    const client = new eciV1.default(new RpcConfig({ ...secret, endpoint, protocol: 'HTTP', regionId: REGION_ID }));
    return teaCalls(flattened(client), eciV1);
  },
  '@alicloud/openapi-core 1.0.8': (endpoint, secret) => coreCalls(endpoint, secret, 'query'),
  '@alicloud/openapi-core 1.0.8, form': (endpoint, secret) => coreCalls(endpoint, secret, 'body'),
  '@alicloud/pop-core, GET': (endpoint, secret) => popCoreCalls(endpoint, secret, 'GET'),
  '@alicloud/pop-core, POST': (endpoint, secret) => popCoreCalls(endpoint, secret, 'POST'),
};

/** Version 1 answers the body itself where version 2 wraps it. */
function flattened(client: InstanceType<typeof eciV1.default>) {
  return {
    createImageCache: async (request: InstanceType<typeof eciV1.CreateImageCacheRequest>) => ({
      body: await client.createImageCache(request),
    }),
    describeImageCaches: async (request: InstanceType<typeof eciV1.DescribeImageCachesRequest>) => ({
      body: await client.describeImageCaches(request),
    }),
    deleteImageCache: (request: InstanceType<typeof eciV1.DeleteImageCacheRequest>) => client.deleteImageCache(request),
  };
}

type Constructor<T> = new (fields?: Record<string, unknown>) => T;
type TeaClient<C, R, D> = {
  createImageCache(request: C): Promise<{ body: { imageCacheId?: string } }>;
  describeImageCaches(request: R): Promise<{
    body: {
      imageCaches?: { imageCacheName?: string; status?: string; images?: string[]; progress?: string }[];
    };
  }>;
  deleteImageCache(request: D): Promise<unknown>;
};

function teaCalls<C, R, D>(
  client: TeaClient<C, R, D>,
  requests: {
    CreateImageCacheRequest: Constructor<C>;
    DescribeImageCachesRequest: Constructor<R>;
    DeleteImageCacheRequest: Constructor<D>;
  },
): Calls {
  const regionId = REGION_ID;
  return {
    async create(imageCacheName, image, plainHttpRegistry) {
      const fields = { regionId, imageCacheName, image: [image], plainHttpRegistry };
      const { body } = await client.createImageCache(new requests.CreateImageCacheRequest(fields));
      return body.imageCacheId ?? '';
    },
    async read(imageCacheId) {
      const request = new requests.DescribeImageCachesRequest({ regionId, imageCacheId });
      const cache = (await client.describeImageCaches(request)).body.imageCaches?.[0];
      const { imageCacheName = '', status = '', images = [], progress = '' } = cache ?? {};
      return cache && { name: imageCacheName, status, images, progress };
    },
    async delete(imageCacheId) {
      await client.deleteImageCache(new requests.DeleteImageCacheRequest({ regionId, imageCacheId }));
    },
  };
}

type Listed = { ImageCaches: { ImageCacheName: string; Status: string; Images: string[]; Progress: string }[] };
type Call = <T>(action: string, parameters: object) => Promise<T>;

/** The newest core of the vendor's TypeScript SDKs, called as the SDKs made on it call it. */
function coreCalls(endpoint: string, secret: Secret, place: 'query' | 'body'): Calls {
  const { default: Client, $OpenApiUtil: util } = core;
  const client = new Client(new util.Config({ ...secret, endpoint, protocol: 'HTTP', regionId: REGION_ID }));
  return plainCalls(async <T>(action: string, parameters: object): Promise<T> => {
    const params = new util.Params({
      action,
      version: '2018-08-08',
      protocol: 'HTTP',
      pathname: '/',
      method: 'POST',
      authType: 'AK',
      style: 'RPC',
      reqBodyType: 'formData',
      bodyType: 'json',
    });
    const request = new util.OpenApiRequest({ [place]: { RegionId: REGION_ID, ...parameters } });
    return (await client.callApi(params, request, new RuntimeOptions({}))).body;
  });
}

function popCoreCalls(endpoint: string, secret: Secret, method: string): Calls {
  const client = new RpcClient({ ...secret, endpoint: `http://${endpoint}`, apiVersion: '2018-08-08' });
  return plainCalls((action, parameters) => client.request(action, { RegionId: REGION_ID, ...parameters }, { method }));
}

/** For clients without models: names and numbers are the wire's. */
function plainCalls(call: Call): Calls {
  return {
    async create(name, image, plainHttp) {
      const fields = { ImageCacheName: name, 'Image.1': image, PlainHttpRegistry: plainHttp };
      return (await call<{ ImageCacheId: string }>('CreateImageCache', fields)).ImageCacheId;
    },
    async read(id) {
      const [cache] = (await call<Listed>('DescribeImageCaches', { ImageCacheId: id })).ImageCaches;
      return (
        cache && { name: cache.ImageCacheName, status: cache.Status, images: cache.Images, progress: cache.Progress }
      );
    },
    async delete(id) {
      await call('DeleteImageCache', { ImageCacheId: id });
    },
  };
}

testLifecycle({
  title: 'the vendor’s npm clients',
  skip: skipWithout({ tools: ['docker-registry'] }),
  clients: CLIENTS,
  checkWrongSecret(error: Error & { code?: unknown }) {
    // Version 1.3.1 appends `Error` to every code.
    assert.match(String(error.code), /^SignatureDoesNotMatch(Error)?$/);
    // The gateway words it differently for the two kinds of signature.
    assert.match(error.message, /Specified signature (is not matched with|does not match) our calculation/);
  },
});
