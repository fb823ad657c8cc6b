/** The gateway over real sockets: what HTTP itself can do to a request, and what no client of ours sends. */
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { loadServerConfig } from '../config/index.ts';
import { formatTime } from '../lib/clock.ts';
import { canonicalParameters, signV1, stringToSignV1 } from '../rpc/index.ts';
import { type RunningServer, startServer } from './index.ts';

const KEY = { LARDER_ACCESS_KEY_ID: 'testAccessKeyId', LARDER_ACCESS_KEY_SECRET: 'testAccessKeySecret' };
const MAX_BODY_BYTES = 4 * 1024 * 1024;

let directory: string;
let server: RunningServer;
let address: { host: string; port: number };

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'larder-http-'));
  const flags = { dataDirectory: join(directory, 'data'), defaultRegionId: 'r-1', listen: '127.0.0.1:0' };
  server = await startServer(loadServerConfig(KEY, { ...flags, logLevel: 'silent' }));
  const { hostname, port } = new URL(server.endpoint);
  address = { host: hostname, port: Number(port) };
});
after(async () => {
  await server.stop();
  await rm(directory, { recursive: true });
});

type Answer = { status: number; headers: Map<string, string>; body: string };

/** Sends bytes as they are, and reads until the server closes the connection; undefined when it says nothing. */
async function send(text: string | Uint8Array, end = true): Promise<Answer | undefined> {
  const socket = connect(address);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => undefined);
  if (end) socket.end(text);
  else socket.write(text);
  await once(socket, 'close');
  return parse(Buffer.concat(chunks).toString());
}

function parse(text: string): Answer | undefined {
  const [head = '', ...rest] = text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '').split('\r\n\r\n');
  const [status = '', ...lines] = head.split('\r\n');
  if (status === '') return undefined;
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(status.split(' ')[1]), headers: new Map(headers), body: rest.join('\r\n\r\n') };
}

async function codeOf(request: string | Uint8Array, end?: boolean): Promise<string> {
  const answer = await send(request, end);
  assert.ok(answer, 'no answer');
  const { Code, RequestId } = JSON.parse(answer.body);
  assert.equal(answer.headers.get('x-acs-request-id'), RequestId);
  assert.match(RequestId, /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/);
  assert.equal(answer.headers.get('content-type'), 'application/json;charset=utf-8');
  assert.equal(answer.status >= 400, Code !== undefined);
  return Code ?? 'ok';
}

/** All of a call's parameters with a V1 signature. */
function signed(change: Record<string, string> = {}, method = 'POST'): string {
  const parameters = new Map(
    Object.entries({
      Action: 'DescribeImageCaches',
      Version: '2018-08-08',
      Format: 'JSON',
      RegionId: 'r-1',
      AccessKeyId: KEY.LARDER_ACCESS_KEY_ID,
      SignatureMethod: 'HMAC-SHA1',
      SignatureVersion: '1.0',
      SignatureNonce: randomUUID(),
      Timestamp: formatTime(Date.now()),
      ...change,
    }),
  );
  parameters.set('Signature', signV1(stringToSignV1(method, parameters), KEY.LARDER_ACCESS_KEY_SECRET));
  return canonicalParameters(parameters);
}

const FORM = 'content-type: application/x-www-form-urlencoded';
function http(method: string, target: string, lines: readonly string[] = [], body = ''): string {
  return `${[`${method} ${target} HTTP/1.1`, 'host: localhost', 'connection: close', ...lines].join('\r\n')}\r\n\r\n${body}`;
}
function post(body: string, lines: readonly string[] = []): string {
  return http('POST', '/', [FORM, `content-length: ${Buffer.byteLength(body)}`, ...lines], body);
}

test('parameters come in the query, in a form, in both, chunked, and of a request without a length', async () => {
  const all = signed();
  const half = all.indexOf('&', all.length / 2);
  const chunked = `${all.length.toString(16)}\r\n${all}\r\n0\r\n\r\n`;
  const requests = [
    http('GET', `/?${signed({}, 'GET')}`),
    http('GET', `/?${signed({}, 'GET')}`, [FORM]),
    http('POST', `/?${signed()}`),
    http('GET', `http://eci.example.com/?${signed({}, 'GET')}`),
    http(
      'GET',
      '/',
      [FORM, 'transfer-encoding: chunked'],
      ((text) => `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`)(signed({}, 'GET')),
    ),
    post(signed()),
    http('POST', '/', [FORM, 'transfer-encoding: chunked'], chunked),
  ];
  for (const request of requests) assert.equal(await codeOf(request), 'ok', request.slice(0, 200));
  const both = signed();
  const cut = both.indexOf('&', half);
  const body = both.slice(cut + 1);
  assert.equal(
    await codeOf(http('POST', `/?${both.slice(0, cut)}`, [FORM, `content-length: ${body.length}`], body)),
    'ok',
  );
});

test('an answer has the headers of the vendor', async () => {
  const answer = await send(
    http('GET', `/?${signed({}, 'GET')}`).replace('connection: close', 'connection: keep-alive'),
  );
  assert.ok(answer);
  const { headers } = answer;
  assert.match(headers.get('x-acs-trace-id') ?? '', /^[0-9a-f]{32}$/);
  assert.equal(headers.get('vary'), 'Accept-Encoding');
  assert.equal(headers.get('connection'), 'keep-alive');
  assert.equal(headers.get('keep-alive'), 'timeout=25');
  assert.equal(headers.get('access-control-allow-origin'), '*');
  assert.equal(headers.get('content-length'), String(Buffer.byteLength(answer.body)));
  assert.equal(headers.has('server'), false);
});

test('an answer with other characters than ASCII arrives whole', async () => {
  const answer = await send(post('é=1&é=2'));
  assert.match(answer?.body ?? '', /<Message>The specified parameter é is invalid.*<\/Error>$/);
  assert.equal(answer?.headers.get('content-length'), String(Buffer.byteLength(answer?.body ?? '')));
});

test('Content-MD5 is checked when it is sent', async () => {
  const md5 = (text: string) => createHash('md5').update(text).digest('base64');
  const body = signed();
  assert.equal(await codeOf(post(body, [`content-md5: ${md5('other')}`])), 'ContentMD5NotMatched');
  assert.equal(await codeOf(post(body, [`content-md5: ${md5(body)}`])), 'ok');
});

test('64 KiB of request line and headers are taken; more than is taken gets an answer', async () => {
  const long = signed({ SecurityToken: 'x'.repeat(32_768) }, 'GET');
  assert.equal(
    await codeOf(http('GET', `/?${long}`, [`x-more: ${'y'.repeat(32_768)}`])),
    'InvalidSecurityToken.Malformed',
  );
  const many = Array.from({ length: 100 }, (_, index) => `x-more-${index}: ${'y'.repeat(4096)}`);
  assert.equal(await codeOf(http('GET', '/', many)), 'InvalidParameter.LengthExceeded');
});

test('a body that is too long is refused in the form that the query asks for', async () => {
  const body = 'a'.repeat(MAX_BODY_BYTES + 1);
  const lines = [FORM, `content-length: ${body.length}`];
  assert.equal(await codeOf(http('POST', '/?Format=JSON&Signature=x', lines, body)), 'InvalidParameter.LengthExceeded');
  const xml = await send(http('POST', '/?Signature=x', lines, body));
  assert.match(xml?.body ?? '', /<Error>.*<Code>InvalidParameter\.LengthExceeded<\/Code>/);
});

test('a caller that expects 100-continue gets it', async () => {
  const body = signed();
  const [head = ''] = post(body, ['expect: 100-continue']).split('\r\n\r\n');
  const socket = connect(address);
  socket.setEncoding('utf8').write(`${head}\r\n\r\n`);
  assert.equal((await once(socket, 'data'))[0], 'HTTP/1.1 100 Continue\r\n\r\n');
  socket.write(body);
  assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 OK\r\n/);
  socket.destroy();
  assert.equal(await codeOf(post(signed(), ['expect: something'])), 'ok');
});

test('methods other than GET and POST are refused', async () => {
  const v3 = ['authorization: ACS3-HMAC-SHA256 x'];
  for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY']) {
    assert.equal(await codeOf(http(method, '/', v3)), 'UnsupportedHTTPMethod', method);
  }
  assert.equal((await send(http('HEAD', '/')))?.status, 400);
  assert.equal(await codeOf(http('BREW', '/')), 'UnsupportedHTTPMethod');
});

test('what is no HTTP gets an answer all the same, and other paths their 404', async () => {
  for (const junk of ['hello\r\n\r\n', 'GET / HTTP/9.9\r\n\r\n', '\0\0\0\0', 'GET / HTTP/1.1\r\nno colon\r\n\r\n'])
    assert.match(await codeOf(junk, false), /^(InvalidParameter|UnsupportedHTTPMethod)$/, junk);
  assert.equal(await codeOf('GET /nothing HTTP/1.0\r\n\r\n'), 'InvalidApi.NotFound');
  assert.equal(await codeOf(http('GET', '/%zz')), 'InvalidParameter');
  assert.equal(await codeOf(http('GET', '/events')), 'MissingAccessKeyId');
});

test('property: junk over a socket never gets a 500 nor a success', async () => {
  const junk = fc.string({ unit: 'binary', maxLength: 40 }).map((text) => text.replace(/[\r\n\0]/g, ''));
  const anyHeader = fc.tuple(
    fc.constantFrom(
      'authorization',
      'accept',
      'content-type',
      'content-md5',
      'x-acs-action',
      'x-acs-version',
      'x-acs-date',
      'expect',
      'host',
    ),
    fc.oneof(
      junk,
      fc.constantFrom(
        'ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=b',
        'DescribeImageCaches',
        '2018-08-08',
      ),
    ),
  );
  /** A signature that is whole but for one parameter that is missing or another. */
  const partial = fc.record({
    drop: fc.constantFrom(
      'Signature',
      'SignatureNonce',
      'Timestamp',
      'AccessKeyId',
      'SignatureMethod',
      'SignatureVersion',
    ),
    value: fc.option(junk),
  });
  const query = fc.oneof(
    junk.map(encodeURI),
    partial.map(({ drop, value }) => {
      const parameters = new URLSearchParams(signed());
      if (value === null) parameters.delete(drop);
      else parameters.set(drop, value);
      return parameters.toString();
    }),
  );
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'HEAD', 'DELETE'),
    query,
    headers: fc.array(anyHeader, { maxLength: 4 }),
    body: junk,
    framing: fc.constantFrom('length', 'chunked', 'none', 'wrong'),
  });
  await fc.assert(
    fc.asyncProperty(request, async ({ method, query: text, headers, body, framing }) => {
      const frame = frameBody(framing, body);
      const lines = [...headers.map(([name, value]) => `${name}: ${value}`), ...frame.lines];
      const answer = await send(http(method, `/?${text}`, lines, frame.body));
      // Nothing is answered to a body that breaks off.
      if (!answer) return assert.equal(framing, 'wrong');
      assert.ok(answer.status >= 400 && answer.status < 500, answer.body);
      assert.ok(method === 'HEAD' || /"Code":"|<Code>/.test(answer.body), answer.body);
    }),
    { numRuns: 300 },
  );
});

function frameBody(framing: string, body: string): { lines: string[]; body: string } {
  const bytes = Buffer.byteLength(body);
  switch (framing) {
    case 'length':
      return { lines: [`content-length: ${bytes}`], body };
    case 'chunked':
      return { lines: ['transfer-encoding: chunked'], body: `${bytes.toString(16)}\r\n${body}\r\n0\r\n\r\n` };
    case 'wrong':
      return { lines: [`content-length: ${bytes + 9}`], body };
    default:
      return { lines: [], body: '' };
  }
}
