import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProxies } from './proxies.ts';
import { parseRegistryMirrors } from './registry-mirrors.ts';

test('mirrors keep their order; a scheme may be left out, a path stays', () => {
  const mirrors = parseRegistryMirrors(['docker.io=mirror:5000', 'Quay.io=http://a/hub', 'docker.io=https://b']);
  assert.deepEqual(
    [...mirrors],
    [
      ['docker.io', ['https://mirror:5000/', 'https://b/']],
      ['quay.io', ['http://a/hub']],
    ],
  );
  for (const wrong of ['docker.io', '=x', 'docker.io=', 'docker.io=ftp://x', 'docker.io=https://u:p@x', 'a/b=x']) {
    assert.throws(() => parseRegistryMirrors([wrong]), { code: 'config.invalid' }, wrong);
  }
});

test('proxies come from the environment, small letters first; this machine is never proxied', () => {
  assert.equal(readProxies({ NO_PROXY: 'x' }), undefined);
  const proxies = readProxies({ HTTPS_PROXY: 'proxy:3128', https_proxy: 'http://small:1', NO_PROXY: '.local' });
  assert.deepEqual(proxies, { http: '', https: 'http://small:1/', exceptions: 'localhost,127.0.0.1,[::1],.local' });
  assert.throws(
    () => readProxies({ HTTP_PROXY: 'socks5://u:secret@x' }),
    (error: Error) => !error.message.includes('secret'),
  );
});
