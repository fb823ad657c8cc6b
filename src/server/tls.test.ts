/** HTTPS with a real private authority: the command line, the vendor's wire, and new certificates while it runs. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import { ACCESS_KEY } from '../../test/support/larder-server.ts';
import { skipWithout } from '../../test/support/requirements.ts';
import { createTlsAuthority, type TlsAuthority } from '../../test/support/tls-authority.ts';
import { createClient } from '../client/index.ts';
import { loadServerConfig } from '../config/index.ts';
import { type RunningServer, startServer } from './index.ts';

const WAIT_MS = 10_000;
const KEY = { LARDER_ACCESS_KEY_ID: ACCESS_KEY.accessKeyId, LARDER_ACCESS_KEY_SECRET: ACCESS_KEY.accessKeySecret };

describe('HTTPS', { skip: skipWithout({ tools: ['openssl'] }) }, () => {
  let home: string;
  let authority: TlsAuthority;
  let server: RunningServer;
  let port: number;
  let ca: string;
  const log: string[] = [];
  const files = () => ({ certPath: join(home, 'cert.pem'), keyPath: join(home, 'key.pem') });

  async function install(pair: { certPath: string; keyPath: string }): Promise<void> {
    await copyFile(pair.keyPath, files().keyPath);
    await copyFile(pair.certPath, files().certPath);
  }

  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'larder-https-'));
    authority = await createTlsAuthority();
    ca = await readFile(authority.caPath, 'utf8');
    await install(await authority.issue('first', ['DNS:localhost', 'IP:127.0.0.1']));
    const flags = { dataDirectory: join(home, 'data'), defaultRegionId: 'r-1', listen: '127.0.0.1:0' };
    const config = loadServerConfig(KEY, { ...flags, tlsCert: files().certPath, tlsKey: files().keyPath });
    server = await startServer(config, {
      log: pino({ level: 'info' }, { write: (line: string) => void log.push(line) }),
    });
    port = Number(new URL(server.endpoint).port);
  });
  after(async () => {
    await server.stop();
    await authority[Symbol.asyncDispose]();
    await rm(home, { recursive: true });
  });

  async function shownName(options: { maxVersion?: 'TLSv1.1' } = {}): Promise<string> {
    const socket = connect({ host: '127.0.0.1', port, ca, ...options });
    await once(socket, 'secureConnect', { signal: AbortSignal.timeout(WAIT_MS) });
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return String(CN);
  }

  async function until(isDone: () => boolean | Promise<boolean>): Promise<void> {
    const deadlineMs = Date.now() + WAIT_MS;
    while (!(await isDone())) {
      assert.ok(Date.now() < deadlineMs, log.join(''));
      await sleep(20);
    }
  }

  test('a client that trusts the authority calls; one that does not says what to do', async () => {
    assert.match(server.endpoint, /^https:\/\/127\.0\.0\.1:\d+$/);
    const options = { ...ACCESS_KEY, endpoint: server.endpoint, regionId: 'r-1', timeoutMs: WAIT_MS };
    const trusting = createClient({ ...options, trust: { authorities: ca } });
    assert.equal((await trusting.call('DescribeImageCaches')).TotalCount, 0);
    const found = await trusting.call('DescribeEndpoints', { Id: 'r-1', ServiceCode: 'eci', Type: 'openAPI' });
    assert.match(JSON.stringify(found), /"HTTPS"/);
    const pinned = createClient({ ...options, trust: { pinned: await readFile(files().certPath, 'utf8') } });
    assert.equal((await pinned.call('DescribeImageCaches')).TotalCount, 0);
    const other = await authority.issue('other', ['IP:127.0.0.1']);
    for (const trust of [undefined, { pinned: await readFile(other.certPath, 'utf8') }]) {
      const wary = createClient({ ...options, trust });
      await assert.rejects(wary.call('DescribeImageCaches'), { code: 'client.untrusted-certificate' });
    }
  });

  test('TLS 1.1 and plain HTTP are refused, and the server serves on', async () => {
    await assert.rejects(shownName({ maxVersion: 'TLSv1.1' }));
    const plain = connectPlain({ host: '127.0.0.1', port });
    plain.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(plain.resume(), 'close', { signal: AbortSignal.timeout(WAIT_MS) }).catch((error) => {
      if (error.code !== 'ECONNRESET') throw error;
    });
    assert.equal(await shownName(), 'first');
  });

  test('new files are taken up without a break; broken ones are refused with one line', async () => {
    // A connection of before, with a request on it before and after.
    const open = connect({ host: '127.0.0.1', port, ca });
    await once(open, 'secureConnect');
    assert.match(await ask(open), /^HTTP\/1\.1 200/);
    await writeFile(files().certPath, 'not a certificate');
    await until(() => log.some((line) => line.includes('certificate refused')));
    assert.equal(await shownName(), 'first');
    await install(await authority.issue('second', ['DNS:localhost', 'IP:127.0.0.1']));
    await until(async () => (await shownName()) === 'second');
    assert.match(await ask(open), /^HTTP\/1\.1 200/);
    open.destroy();
    assert.equal(log.filter((line) => line.includes('"TLS certificate replaced"')).length, 1, log.join(''));
    assert.doesNotMatch(log.join(''), /PRIVATE KEY/);
  });

  async function ask(socket: TLSSocket): Promise<string> {
    const signal = AbortSignal.timeout(WAIT_MS);
    socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    return String((await once(socket, 'data', { signal }))[0]);
  }

  test('a page for people over HTTPS, by name', async () => {
    const outgoing = request({ host: '127.0.0.1', servername: 'localhost', port, path: '/version', ca });
    outgoing.end();
    const [incoming] = await once(outgoing, 'response', { signal: AbortSignal.timeout(WAIT_MS) });
    assert.match(await text(incoming), /"larder"/);
  });

  test('a pair that does not fit, and half a pair, are refused at the start', async () => {
    const [one, two] = [await authority.issue('one', ['DNS:a']), await authority.issue('two', ['DNS:a'])];
    const flags = { dataDirectory: join(home, 'data2'), defaultRegionId: 'r-1', listen: '127.0.0.1:0' };
    const config = loadServerConfig({}, { ...flags, tlsCert: one.certPath, tlsKey: two.keyPath, logLevel: 'silent' });
    await assert.rejects(startServer(config), { code: 'server.tls' });
    assert.throws(() => loadServerConfig({}, { ...flags, tlsCert: one.certPath }), { code: 'config.invalid' });
  });
});
