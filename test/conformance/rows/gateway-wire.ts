import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { codeOf, send } from '../client.ts';
import { GATEWAY, type Row, rowsOf } from '../row.ts';
import { type SignedRequest, signedRequest } from '../signed-request.ts';

const row = rowsOf(GATEWAY);
const ACTION = 'DescribeImageCaches';
const FORM = 'application/x-www-form-urlencoded';
const KIB = 1024;
const V3 = { scheme: 'V3' } as const;
const HTTP_OK = 'HTTP/1.1 200 OK';

/** Head and body of an HTTP message. */
function message(request: Pick<SignedRequest, 'method' | 'path'>, headers: readonly string[], body = ''): string {
  return [`${request.method} ${request.path} HTTP/1.1`, ...headers, '', body].join('\r\n');
}

function linesOf(headers: SignedRequest['headers']): string[] {
  return Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
}

/** Writes the texts, each after the one before was answered somehow, and gives what came until the server closed. */
async function exchange(endpoint: string, texts: readonly string[]): Promise<string> {
  const { hostname, port } = new URL(`http://${endpoint}`);
  const socket = connect(Number(port), hostname);
  const answer = text(socket);
  for (const [index, each] of texts.entries()) {
    if (index > 0) await once(socket, 'data');
    socket.write(each);
  }
  return answer;
}

function bodyOf(answer: string): string {
  return answer.slice(answer.lastIndexOf('\r\n\r\n') + 4);
}

export const gatewayWire: readonly Row[] = [
  row('format', 'request', 'a form in chunks, as the older Node.js client sends it', async (live) => {
    const client = await live.newClient();
    const signed = await signedRequest(client, ACTION, { ImageCacheName: 'none' }, { place: 'form' });
    const half = Math.floor(signed.body.length / 2);
    const chunk = (part: string) => `${part.length.toString(16)}\r\n${part}\r\n`;
    const chunks = `${chunk(signed.body.slice(0, half))}${chunk(signed.body.slice(half))}0\r\n\r\n`;
    const headers = [
      `host: ${live.endpoint}`,
      `content-type: ${FORM}`,
      'transfer-encoding: chunked',
      'connection: close',
    ];
    const answer = await exchange(live.endpoint, [message(signed, headers, chunks)]);
    assert.ok(answer.startsWith(HTTP_OK), answer);
  }),
  row('format', 'request', 'POST with neither a length nor chunks, as the Java client sends it', async (live) => {
    const client = await live.newClient();
    for (const wire of [{}, V3]) {
      const signed = await signedRequest(client, ACTION, {}, wire);
      const headers = [`host: ${live.endpoint}`, 'connection: close', ...linesOf(signed.headers)];
      assert.ok((await exchange(live.endpoint, [message(signed, headers)])).startsWith(HTTP_OK));
    }
  }),
  row('format', 'request', 'GET with a content type and no body', async (live) => {
    const client = await live.newClient();
    const signed = await signedRequest(client, ACTION, {}, { method: 'GET' });
    const answer = await send(live.endpoint, { ...signed, headers: { ...signed.headers, 'content-type': FORM } });
    assert.equal(codeOf(answer), 'OK');
  }),
  row('format', 'request', 'the content type of a form with a character set, or none at all', async (live) => {
    const client = await live.newClient();
    for (const type of [`content-type: ${FORM}; charset=utf-8`, `content-type: ${FORM.toUpperCase()}`, undefined]) {
      const signed = await signedRequest(client, ACTION, { ImageCacheName: 'x' }, { place: 'form' });
      const headers = [
        `host: ${live.endpoint}`,
        `content-length: ${signed.body.length}`,
        'connection: close',
        ...(type === undefined ? [] : [type]),
      ];
      const answer = await exchange(live.endpoint, [message(signed, headers, signed.body)]);
      assert.ok(answer.startsWith(HTTP_OK), answer);
    }
  }),
  row('format', 'request', 'a body that is no form holds no parameters', async (live) => {
    const client = await live.newClient();
    const signed = await signedRequest(client, ACTION);
    const headers = { ...signed.headers, 'content-type': 'application/json' };
    const answer = await send(live.endpoint, { ...signed, headers, body: '{"Limit":"ten"}' });
    assert.equal(codeOf(answer), 'OK');
  }),
  row('format', 'request', 'several calls on one connection', async (live) => {
    const client = await live.newClient();
    const [first, last] = [await signedRequest(client, ACTION), await signedRequest(client, ACTION)];
    const host = `host: ${live.endpoint}`;
    const length = 'content-length: 0';
    const answer = await exchange(live.endpoint, [
      message(first, [host, length]),
      message(last, [host, length, 'connection: close']),
    ]);
    assert.equal(answer.split(HTTP_OK).length - 1, 2);
    assert.match(answer, /connection: keep-alive/i);
  }),
  row('format', 'request', 'Expect: 100-continue, as curl sends it with a long form', async (live) => {
    const client = await live.newClient();
    const signed = await signedRequest(client, ACTION, { ImageCacheName: 'x'.repeat(KIB) }, { place: 'form' });
    const headers = [
      `host: ${live.endpoint}`,
      `content-type: ${FORM}`,
      `content-length: ${signed.body.length}`,
      'expect: 100-continue',
      'connection: close',
    ];
    const answer = await exchange(live.endpoint, [message(signed, headers), signed.body]);
    assert.match(answer, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  }),
  row('format', 'request', 'a target with scheme and host, as a proxy gets it', async (live) => {
    const client = await live.newClient();
    const signed = await signedRequest(client, ACTION);
    const path = `http://eci.aliyuncs.com${signed.path}`;
    const answer = await exchange(live.endpoint, [
      message({ ...signed, path }, [`host: ${live.endpoint}`, 'content-length: 0', 'connection: close']),
    ]);
    assert.ok(answer.startsWith(HTTP_OK), answer);
  }),
  row('format', 'request', 'a path of / or none, and no other', async (live) => {
    const client = await live.newClient();
    for (const wire of [{}, V3]) {
      const signed = await signedRequest(client, ACTION, {}, wire);
      for (const prefix of ['/x', '//', '/%2F']) {
        const answer = await send(live.endpoint, { ...signed, path: signed.path.replace('/', prefix) });
        assert.deepEqual([answer.status, codeOf(answer)], [404, 'InvalidApi.NotFound'], prefix);
      }
    }
  }),
  ...(['V1', 'V3'] as const).map((scheme) =>
    row('format', 'length', `${scheme}: a request line of more than 64 KiB is served`, async (live) => {
      const client = await live.newClient();
      const id = await client.create();
      const fill = (index: number) => `registry.example.com/${'x'.repeat(480)}/${index}:1`;
      const MatchImage = [live.image, ...Array.from({ length: 99 }, (_, index) => fill(index))];
      // Ignored, and signed all the same.
      const Padding = 'y'.repeat(20 * KIB);
      const signed = await signedRequest(client, ACTION, { MatchImage, Padding }, { scheme });
      assert.ok(signed.path.length > 64 * KIB);
      const answer = await send(live.endpoint, signed);
      assert.equal(answer.json.ImageCaches?.[0]?.ImageCacheId, id, answer.body);
    }),
  ),
  row('format', 'length', 'a head of more than 128 KiB is refused in the form of the API', async (live) => {
    const path = `/?Action=${ACTION}&Padding=${'x'.repeat(129 * KIB)}`;
    const answer = await send(live.endpoint, { method: 'GET', path });
    assert.deepEqual([answer.status, codeOf(answer)], [400, 'InvalidParameter.LengthExceeded']);
    assert.equal(answer.json.Message, `The length of parameter header exceeded limit: ${128 * KIB}.`);
    assert.equal(answer.headers['x-acs-request-id'], answer.json.RequestId);
  }),
  row('format', 'length', 'a form of a mebibyte is served, one of more than four is refused', async (live) => {
    const client = await live.newClient();
    const form = { ...V3, place: 'form', headers: { connection: 'close' } } as const;
    await client.ok(ACTION, { Padding: 'x'.repeat(KIB * KIB) }, form);
    const answer = await client.call(ACTION, { Padding: 'x'.repeat(4 * KIB * KIB) }, form);
    assert.deepEqual([answer.status, codeOf(answer)], [400, 'InvalidParameter.LengthExceeded']);
  }),
  row('format', 'length', 'more than 4,096 parameters are refused', async (live) => {
    const client = await live.newClient();
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${index}`, '']));
    await client.ok(ACTION, many(4000), { place: 'form' });
    const tooMany = 'The specified parameter list is invalid, it has more than 4096 entries.';
    // XML, because the format is not read.
    const { status, body } = await client.call(ACTION, many(4097), { place: 'form' });
    assert.equal(status, 400);
    assert.ok(body.includes(`<Code>InvalidParameter</Code><Message>${tooMany}</Message>`), body);
  }),
  row('format', 'HostId', 'the domain that the caller named, without the port; empty without', async (live) => {
    const target = { method: 'GET', path: `/?Action=${ACTION}&Version=2018-08-08&Format=JSON` };
    for (const [host, expected] of [
      ['host: eci.cn-hangzhou.aliyuncs.com', 'eci.cn-hangzhou.aliyuncs.com'],
      ['host: eci.aliyuncs.com:8080', 'eci.aliyuncs.com'],
      ['host: [::1]:8080', '[::1]'],
      [undefined, ''],
    ] as const) {
      const headers = [...(host === undefined ? [] : [host]), 'connection: close'];
      const answer = await exchange(live.endpoint, [message(target, headers)]);
      assert.equal(JSON.parse(bodyOf(answer)).HostId, expected, answer);
    }
  }),
  row('format', 'error', 'what is no HTTP gets the same form', async (live) => {
    for (const [line, expected] of [
      ['GET / FTP/1.0', 'InvalidParameter'],
      ['hello / HTTP/1.1', 'UnsupportedHTTPMethod'],
    ] as const) {
      const answer = await exchange(live.endpoint, [`${line}\r\n\r\n`]);
      assert.ok(answer.startsWith('HTTP/1.1 400 Bad Request'), answer);
      const { Code, RequestId } = JSON.parse(bodyOf(answer));
      assert.equal(Code, expected);
      assert.ok(answer.includes(`x-acs-request-id: ${RequestId}`));
    }
  }),
];
