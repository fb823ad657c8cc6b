import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from '../client/index.ts';
import { loadServerConfig } from '../config/index.ts';
import { startServer } from './index.ts';

const flags = { dataDirectory: '/nowhere', defaultRegionId: 'r-1', logLevel: 'silent' };

test('without authentication every call is one of the first account, with any key or none', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'larder-no-auth-'));
  const config = loadServerConfig(
    {},
    { ...flags, dataDirectory: join(directory, 'data'), listen: '127.0.0.1:0', noAuth: true },
  );
  const server = await startServer(config);
  t.after(async () => {
    await server.stop();
    await rm(directory, { recursive: true });
  });
  const call = async (query: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${server.endpoint}/?Version=2018-08-08&Format=JSON&RegionId=r-1&${query}`, {
      headers,
    });
    return [response.status, JSON.parse(await response.text())];
  };

  const [status, created] = await call('Action=CreateImageCache&ImageCacheName=web&Image.1=127.0.0.1:1/a');
  assert.equal(status, 200, JSON.stringify(created));
  for (const credentials of [
    { accessKeyId: 'any', accessKeySecret: 'thing' },
    { accessKeyId: server.firstKey?.id ?? '', accessKeySecret: server.firstKey?.secret ?? '' },
  ]) {
    const client = createClient({ endpoint: server.endpoint, regionId: 'r-1', timeoutMs: 5_000, ...credentials });
    const { ImageCaches } = await client.call('DescribeImageCaches', {});
    assert.equal(JSON.stringify(ImageCaches).includes(created.ImageCacheId), true);
  }
  const [anyStatus] = await call('Action=DescribeImageCaches&AccessKeyId=a&Signature=b&SignatureNonce=c');
  assert.equal(anyStatus, 200);
  const [, refused] = await call('Action=DescribeImageCaches', { origin: 'http://evil.example' });
  assert.equal(refused.Code, 'Forbidden.RAM');
});

test('it is for this machine only', () => {
  for (const listen of ['127.0.0.1:0', 'localhost:4620', '[::1]:4620', ':4620', '127.8.8.8:1']) {
    assert.equal(loadServerConfig({ LARDER_NO_AUTH: '1' }, { ...flags, listen }).noAuth, true);
  }
  for (const listen of ['0.0.0.0:4620', '[::]:4620', '192.168.1.2:4620', 'example.com:1', '127.example.com:1']) {
    const load = () => loadServerConfig({ LARDER_LISTEN: listen }, { ...flags, noAuth: true });
    assert.throws(load, { code: 'config.invalid', message: /--no-auth.*this machine only/ });
  }
  assert.equal(loadServerConfig({}, flags).noAuth, false);
  assert.equal(loadServerConfig({ LARDER_NO_AUTH: '0' }, flags).noAuth, false);
  assert.throws(() => loadServerConfig({ LARDER_NO_AUTH: 'maybe' }, flags), { code: 'config.invalid' });
});
