import assert from 'node:assert/strict';
import { type Client, send } from '../client.ts';
import { GATEWAY, rowsOf } from '../row.ts';
import { one } from '../xml.ts';

const row = rowsOf(GATEWAY);
const ACTION = 'DescribeImageCaches';
const JSON_TYPE = 'application/json;charset=utf-8';
const XML_TYPE = 'text/xml;charset=utf-8';
const TRACE_ID = /^[0-9a-f]{32}$/;
/** What clients of the vendor take for a failure, whatever the HTTP status. */
const FAILURE_FIELDS = ['Code', 'Message', 'HostId', 'Recommend'];

/** An error and a success, both of a call that reads. */
async function both(client: Client, wire: Parameters<Client['call']>[2]) {
  return [await client.call(ACTION, {}, wire), await client.call(ACTION, { Limit: 'ten' }, wire)];
}

export const gatewayFormats = [
  row('format', 'JSON', 'V1 with Format=JSON, and V3 unless it asks for XML; errors too', async (live) => {
    const client = await live.newClient();
    for (const wire of [{ format: 'JSON' }, { format: 'json' }, { scheme: 'V3', format: null }] as const) {
      for (const answer of await both(client, wire)) {
        assert.equal(answer.headers['content-type'], JSON_TYPE);
        assert.equal(answer.headers['x-acs-request-id'], answer.json.RequestId);
      }
    }
  }),
  row('format', 'XML', 'V1 with Format=XML or none, and V3 that asks for it; errors too', async (live) => {
    const client = await live.newClient();
    for (const wire of [{ format: 'XML' }, { format: null }, { scheme: 'V3', format: 'XML' }] as const) {
      for (const answer of await both(client, wire)) {
        assert.equal(answer.headers['content-type'], XML_TYPE);
        assert.equal(answer.headers['x-acs-request-id'], one(answer.xml, 'RequestId'));
      }
    }
  }),
  row('format', 'XML', 'markup and any letter in names and messages come back as they were sent', async (live) => {
    const client = await live.newClient();
    const ImageCacheName = `<a href="x">&amp;'ü中</a>`;
    await client.create({ ImageCacheName });
    const { xml } = await client.call(ACTION, {}, { format: 'XML' });
    const cache = xml.children.find(({ name }) => name === 'ImageCaches') ?? assert.fail();
    assert.equal(one(cache, 'ImageCacheName'), ImageCacheName);
    const error = await client.call('DeleteImageCache', { ImageCacheId: ImageCacheName }, { format: 'XML' });
    assert.match(one(error.xml, 'Message'), /<a href="x">&amp;'ü中<\/a>/);
  }),
  row('format', 'success', '200, and nothing in it that a client takes for a failure', async (live) => {
    const client = await live.newClient();
    const { status, json } = await client.call(ACTION);
    assert.equal(status, 200);
    assert.deepEqual(
      FAILURE_FIELDS.filter((name) => name in json),
      [],
    );
  }),
  row('format', 'error', 'the domain called, without the port, and where to read on', async (live) => {
    const client = await live.newClient();
    const { json } = await client.call(ACTION, { Limit: 'ten' });
    assert.deepEqual(Object.keys(json), ['RequestId', 'HostId', 'Code', 'Message', 'Recommend']);
    assert.equal(json.HostId, '127.0.0.1');
    const query = `q=InvalidLimit&product=Eci&requestId=${json.RequestId}`;
    assert.equal(json.Recommend, `https://api.aliyun.com/troubleshoot?${query}`);
  }),
  row('format', 'headers', 'those of the vendor’s gateway', async (live) => {
    const client = await live.newClient();
    for (const { headers, body } of await both(client, {})) {
      assert.equal(headers['content-length'], String(Buffer.byteLength(body)));
      assert.match(String(headers['x-acs-trace-id']), TRACE_ID);
      assert.ok(headers.date);
      assert.deepEqual(
        [headers.vary, headers['access-control-allow-origin'], headers['access-control-expose-headers']],
        ['Accept-Encoding', '*', '*'],
      );
      assert.equal(headers.server, undefined);
    }
  }),
  row('format', 'RequestId', 'another one for every call, of errors too', async (live) => {
    const client = await live.newClient();
    const answers = [...(await both(client, {})), ...(await both(client, {}))];
    assert.equal(new Set(answers.map(({ json }) => json.RequestId)).size, answers.length);
  }),
  row('format', 'request', 'parameters in the query, a form, or both; GET and POST; V1 and V3', async (live) => {
    const client = await live.newClient();
    await client.create({ ImageCacheName: 'wanted', Tag: [{ Key: 'k', Value: 'v' }] });
    await client.create({ ImageCacheName: 'other' });
    const params = { ImageCacheName: 'wanted', Tag: [{ Key: 'k', Value: 'v' }] };
    for (const scheme of ['V1', 'V3'] as const) {
      for (const [method, place] of [
        ['GET', 'query'],
        ['POST', 'query'],
        ['POST', 'form'],
        ['POST', 'mixed'],
      ] as const) {
        const { TotalCount } = await client.ok(ACTION, params, { scheme, method, place });
        assert.equal(TotalCount, 1, `${scheme} ${method} ${place}`);
      }
    }
  }),
  row('format', 'request', 'a parameter twice with one value counts once', async (live) => {
    const client = await live.newClient();
    const path = `/?Action=${ACTION}&Action=${ACTION}&Version=2018-08-08&Format=JSON`;
    const { json } = await send(client.endpoint, { method: 'POST', path, body: `Action=${ACTION}` });
    assert.equal(json.Code, 'MissingAccessKeyId');
  }),
  row('format', 'request', 'lists with gaps close, and unknown parameters are ignored', async (live) => {
    const client = await live.newClient();
    const id = await client.create({
      Image: undefined,
      'Image.1': live.image,
      'Image.7': live.otherImage,
      Unknown: 'x',
    });
    assert.deepEqual((await client.cache(id)).Images, [live.image, live.otherImage]);
  }),
];
