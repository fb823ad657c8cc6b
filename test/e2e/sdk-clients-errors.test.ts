/**
 * What the vendor's unmodified npm clients make of refusals: for every family the error with the class, the fields and the
 * words that it has from the vendor. And what each does beside the plain calls: temporary keys, the older signature.
 */
import assert from 'node:assert/strict';
import eci from '@alicloud/eci20180808';
import openApi, { Config, OpenApiRequest, Params } from '@alicloud/openapi-client';
import core from '@alicloud/openapi-core';
import RpcClient from '@alicloud/pop-core';
import { Config as RpcConfig } from '@alicloud/rpc-client';
import { RuntimeOptions } from '@darabonba/typescript';
import eciV1 from 'eci20180808-v1';
import type { Key } from '../conformance/client.ts';
import { REGION_ID } from '../support/larder-server.ts';
import { type Calls, type Family, REQUEST_ID, type Refusal, testRefusals } from '../support/sdk-refusals.ts';

type Thrown = Error & {
  readonly code?: unknown;
  readonly statusCode?: unknown;
  readonly requestId?: unknown;
  readonly retryAfter?: unknown;
  readonly accessDeniedDetail?: Readonly<Record<string, unknown>>;
  readonly data?: { readonly [name: string]: unknown; readonly RequestId?: string };
};
const FAMILIES: Readonly<Record<string, Family<Thrown>>> = {
  '@alicloud/eci20180808 2.0.3': { connect: connectEci, check: checkTea },
  '@alicloud/eci20180808 2.0.3, older signature': {
    connect: (endpoint, key) => connectEci(endpoint, key, 'v2'),
    check: checkTea,
  },
  '@alicloud/eci20180808 1.3.1': { connect: connectEciV1, check: checkTeaV1 },
  '@alicloud/openapi-core 1.0.8': { connect: connectCore, check: checkCore },
  '@alicloud/openapi-core 1.0.8, older signature': {
    connect: (endpoint, key) => connectCore(endpoint, key, 'v2'),
    check: checkCore,
  },
  '@alicloud/openapi-client 0.4.15, callApi with GET': {
    connect: (endpoint, key) => connectCallApi(endpoint, key, { method: 'GET', place: 'query' }),
    check: checkTea,
  },
  '@alicloud/openapi-client 0.4.15, callApi with a form': {
    connect: (endpoint, key) => connectCallApi(endpoint, key, { method: 'POST', place: 'body' }),
    check: checkTea,
  },
  '@alicloud/openapi-client 0.4.15, callApi with a form, older signature': {
    connect: (endpoint, key) =>
      connectCallApi(endpoint, key, { method: 'POST', place: 'body', signatureAlgorithm: 'v2' }),
    check: checkTea,
  },
  '@alicloud/pop-core 1.8.0, GET': {
    connect: (endpoint, key) => connectPopCore(endpoint, key, 'GET'),
    check: checkPopCore,
  },
  '@alicloud/pop-core 1.8.0, POST': {
    connect: (endpoint, key) => connectPopCore(endpoint, key, 'POST'),
    check: checkPopCore,
  },
};

testRefusals({ title: 'the vendor’s npm clients', families: FAMILIES });

/** The answer itself, which every client keeps. */
function checkData({ data }: Thrown, { code, message, hasDetail }: Refusal): void {
  assert.ok(data);
  assert.equal(data.Code, code);
  assert.equal(data.Message, message);
  assert.match(data.RequestId ?? '', REQUEST_ID);
  assert.match(String(data.Recommend), /^https:\/\/api\.aliyun\.com\/troubleshoot\?q=/);
  assert.equal(data.AccessDeniedDetail !== undefined, hasDetail === true);
}

function checkTea(error: Thrown, refusal: Refusal): void {
  checkData(error, refusal);
  const { status, code, message, hasDetail } = refusal;
  assert.equal(error.name, 'Error');
  assert.equal(error.code, code);
  assert.equal(error.statusCode, status);
  assert.equal(error.message, `${code}: code: ${status}, ${message} request id: ${error.data?.RequestId ?? 'none'}`);
  checkDetail(error.accessDeniedDetail, hasDetail);
}

function checkTeaV1(error: Thrown, refusal: Refusal): void {
  checkData(error, refusal);
  const { status, code, message } = refusal;
  assert.equal(error.name, 'Error');
  // Version 1.3.1 appends `Error` to every code.
  assert.equal(error.code, `${code}Error`);
  assert.equal(
    error.message,
    `${code}Error: code: ${status}, ${message} requestid: ${error.data?.RequestId ?? 'none'}`,
  );
}

function checkCore(error: Thrown, refusal: Refusal): void {
  checkData(error, refusal);
  const { status, code, message, hasDetail } = refusal;
  const isThrottled = code.startsWith('Throttling');
  const name = isThrottled ? 'ThrottlingError' : status < 500 ? 'ClientError' : 'ServerError';
  assert.equal(error.constructor.name, name);
  assert.equal(error.name, name);
  if (isThrottled) assert.ok(typeof error.retryAfter === 'number' && error.retryAfter > 0, String(error.retryAfter));
  assert.equal(error.code, code);
  assert.equal(error.statusCode, status);
  assert.equal(error.requestId, error.data?.RequestId);
  assert.equal(error.message, `${code}: code: ${status}, ${message} request id: ${error.data?.RequestId ?? 'none'}`);
  checkDetail(error.accessDeniedDetail, hasDetail);
}

function checkPopCore(error: Thrown, refusal: Refusal): void {
  checkData(error, refusal);
  const { code, message } = refusal;
  assert.equal(error.name, `${code}Error`);
  assert.equal(error.code, code);
  assert.ok(error.message.startsWith(`${message}, URL: http://`), error.message);
}

function checkDetail(detail: Thrown['accessDeniedDetail'], isThere = false): void {
  // The newest core has null for what is not there.
  if (!isThere) assert.equal(detail ?? undefined, undefined);
  else assert.equal(detail?.AuthAction, 'eci:DescribeImageCaches');
}

function credentials({ id, secret, token }: Key) {
  return {
    accessKeyId: id,
    accessKeySecret: secret,
    ...(token === undefined ? {} : { securityToken: token, type: 'sts' }),
  };
}

function connectEci(endpoint: string, key: Key, signatureAlgorithm?: 'v2'): Calls {
  const signature = signatureAlgorithm === undefined ? {} : { signatureAlgorithm };
  const config = { ...credentials(key), ...signature, endpoint, protocol: 'HTTP', regionId: REGION_ID };
  const client = new eci.default(new Config(config));
  return {
    async count(imageCacheName) {
      const request = new eci.DescribeImageCachesRequest({ regionId: REGION_ID, imageCacheName });
      return (await client.describeImageCaches(request)).body.totalCount ?? Number.NaN;
    },
    async delete(imageCacheId) {
      await client.deleteImageCache(new eci.DeleteImageCacheRequest({ regionId: REGION_ID, imageCacheId }));
    },
  };
}

function connectEciV1(endpoint: string, key: Key): Calls {
  const config = { ...credentials(key), endpoint, protocol: 'HTTP', regionId: REGION_ID };
  const client = new eciV1.default(new RpcConfig(config));
  return {
    async count(imageCacheName) {
      const request = new eciV1.DescribeImageCachesRequest({ regionId: REGION_ID, imageCacheName });
      return (await client.describeImageCaches(request)).imageCaches?.length ?? Number.NaN;
    },
    async delete(imageCacheId) {
      await client.deleteImageCache(new eciV1.DeleteImageCacheRequest({ regionId: REGION_ID, imageCacheId }));
    },
  };
}

function connectCore(endpoint: string, key: Key, signatureAlgorithm?: 'v2'): Calls {
  const { default: CoreClient, $OpenApiUtil: util } = core;
  const signature = signatureAlgorithm === undefined ? {} : { signatureAlgorithm };
  const config = { ...credentials(key), ...signature, endpoint, protocol: 'HTTP', regionId: REGION_ID };
  const client = new CoreClient(new util.Config(config));
  return plainCalls(async (action, query) => {
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
    return (await client.callApi(params, new util.OpenApiRequest({ query }), new RuntimeOptions({}))).body;
  });
}

/** The core of the SDKs in use today, called with a plain action as generated code calls it. */
function connectCallApi(
  endpoint: string,
  key: Key,
  how: { method: 'GET' | 'POST'; place: 'query' | 'body'; signatureAlgorithm?: 'v2' },
): Calls {
  const { method, place, ...signature } = how;
  const config = { ...credentials(key), ...signature, endpoint, protocol: 'HTTP', regionId: REGION_ID };
  const client = new openApi.default(new Config(config));
  return plainCalls(async (action, { RegionId, ...fields }) => {
    const params = new Params({
      action,
      version: '2018-08-08',
      protocol: 'HTTP',
      pathname: '/',
      method,
      authType: 'AK',
      style: 'RPC',
      reqBodyType: 'formData',
      bodyType: 'json',
    });
    const parameters = place === 'query' ? { query: { RegionId, ...fields } } : { query: { RegionId }, body: fields };
    return (await client.callApi(params, new OpenApiRequest(parameters), new RuntimeOptions({}))).body;
  });
}

function connectPopCore(endpoint: string, key: Key, method: 'GET' | 'POST'): Calls {
  const client = new RpcClient({ ...credentials(key), endpoint: `http://${endpoint}`, apiVersion: '2018-08-08' });
  return plainCalls((action, parameters) => client.request(action, parameters, { method }));
}

/** For clients without models: names and numbers are the wire's. */
function plainCalls(
  call: (action: string, parameters: { [name: string]: string }) => Promise<{ TotalCount?: number }>,
): Calls {
  return {
    async count(ImageCacheName) {
      const { TotalCount } = await call('DescribeImageCaches', { RegionId: REGION_ID, ImageCacheName });
      return TotalCount ?? Number.NaN;
    },
    async delete(ImageCacheId) {
      await call('DeleteImageCache', { RegionId: REGION_ID, ImageCacheId });
    },
  };
}
