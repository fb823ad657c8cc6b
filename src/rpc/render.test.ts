import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { apiError } from './api-error.ts';
import { renderError, renderResult } from './render.ts';
import { bodyText } from './types.ts';
import { escapeXml } from './xml.ts';

const RESULT = {
  ImageCaches: [
    {
      ImageCacheId: 'imc-1',
      ImageCacheSize: 20,
      Images: ['reg/a:1', 'reg/b:2'],
      Events: [{ Name: 'n.1661f31f851a0000', Count: 1, Reason: 'Started' }],
      Tags: [{ Key: 'imc', Value: 'a<b & "c"' }],
      SnapshotId: undefined,
    },
    { ImageCacheId: 'imc-2', ImageCacheSize: 30, Images: ['reg/c'], Events: [], Tags: [] },
  ],
  NextToken: '',
  TotalCount: 2,
  Flash: true,
};
const CALL = { action: 'DescribeImageCaches', requestId: '39FC2E43-3DD7-4CEF-9EF4-E4AD6E635301' };
const HEADERS = {
  'x-acs-request-id': CALL.requestId,
  'x-acs-trace-id': '39fc2e433dd74cef9ef4e4ad6e635301',
  vary: 'Accept-Encoding',
  'access-control-allow-origin': '*',
  'access-control-expose-headers': '*',
};

test('JSON: fields at top level, plain arrays, real numbers', () => {
  assert.deepEqual(renderResult(RESULT, { ...CALL, format: 'JSON' }), {
    status: 200,
    headers: { 'content-type': 'application/json;charset=utf-8', ...HEADERS },
    body:
      '{"RequestId":"39FC2E43-3DD7-4CEF-9EF4-E4AD6E635301","ImageCaches":[{"ImageCacheId":"imc-1","ImageCacheSize":20,' +
      '"Images":["reg/a:1","reg/b:2"],"Events":[{"Name":"n.1661f31f851a0000","Count":1,"Reason":"Started"}],' +
      '"Tags":[{"Key":"imc","Value":"a<b & \\"c\\""}]},{"ImageCacheId":"imc-2","ImageCacheSize":30,"Images":["reg/c"],' +
      '"Events":[],"Tags":[]}],"NextToken":"","TotalCount":2,"Flash":true}',
  });
});

test('XML: lists as repeated elements with the name of the list', () => {
  assert.deepEqual(renderResult(RESULT, { ...CALL, format: 'XML' }), {
    status: 200,
    headers: { 'content-type': 'text/xml;charset=utf-8', ...HEADERS },
    body:
      "<?xml version='1.0' encoding='UTF-8'?><DescribeImageCachesResponse>" +
      '<RequestId>39FC2E43-3DD7-4CEF-9EF4-E4AD6E635301</RequestId>' +
      '<ImageCaches><ImageCacheId>imc-1</ImageCacheId><ImageCacheSize>20</ImageCacheSize>' +
      '<Images>reg/a:1</Images><Images>reg/b:2</Images>' +
      '<Events><Name>n.1661f31f851a0000</Name><Count>1</Count><Reason>Started</Reason></Events>' +
      '<Tags><Key>imc</Key><Value>a&lt;b &amp; &quot;c&quot;</Value></Tags></ImageCaches>' +
      '<ImageCaches><ImageCacheId>imc-2</ImageCacheId><ImageCacheSize>30</ImageCacheSize><Images>reg/c</Images></ImageCaches>' +
      '<NextToken></NextToken><TotalCount>2</TotalCount><Flash>true</Flash></DescribeImageCachesResponse>',
  });
});

const ERROR_CALL = { requestId: 'R-1', hostId: 'eci.cn-hangzhou.aliyuncs.com' };
const RECOMMEND = 'https://api.aliyun.com/troubleshoot?q=Throttling.User&product=Eci&requestId=R-1';

test('errors in both formats', () => {
  const error = apiError('Throttling.User', {}, { retryAfterMs: 1500.2 });
  const json = renderError(error, { ...ERROR_CALL, format: 'JSON' });
  assert.equal(json.status, 400);
  assert.equal(json.headers['x-acs-retry-after'], '1501');
  assert.equal(json.headers['x-acs-request-id'], 'R-1');
  assert.deepEqual(JSON.parse(bodyText(json.body)), {
    RequestId: 'R-1',
    HostId: 'eci.cn-hangzhou.aliyuncs.com',
    Code: 'Throttling.User',
    Message: 'Request was denied due to user flow control.',
    Recommend: RECOMMEND,
  });
  const xml = renderError(error, { ...ERROR_CALL, format: 'XML' });
  assert.equal(
    bodyText(xml.body),
    "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>R-1</RequestId><HostId>eci.cn-hangzhou.aliyuncs.com</HostId>" +
      '<Code>Throttling.User</Code><Message>Request was denied due to user flow control.</Message>' +
      `<Recommend>${RECOMMEND.replaceAll('&', '&amp;')}</Recommend></Error>`,
  );
});

test('a refusal by RAM says why', () => {
  const accessDeniedDetail = { AuthAction: 'eci:CreateImageCache', NoPermissionType: 'ImplicitDeny' };
  const error = apiError(
    'NoPermission',
    { Resource: 'acs:eci:*:*:*', Action: 'eci:CreateImageCache' },
    { accessDeniedDetail },
  );
  const body = JSON.parse(bodyText(renderError(error, { ...ERROR_CALL, format: 'JSON' }).body));
  assert.deepEqual(body.AccessDeniedDetail, accessDeniedDetail);
});

test('what is written twice in the table has one code', () => {
  const error = apiError('SignatureDoesNotMatch:V1', { StringToSign: 'GET&{Param}&$&' });
  assert.equal(error.code, 'SignatureDoesNotMatch');
  assert.ok(error.message.endsWith('server string to sign is:GET&{Param}&$&'));
  assert.equal(apiError('Missing{Param}', { Param: 'RegionId' }).code, 'MissingRegionId');
  // @ts-expect-error a blank that is not filled in does not compile
  apiError('Missing{Param}', {});
});

test('property: escaped text is legal XML and reads back as it was, U+FFFD for what XML cannot hold', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const escaped = escapeXml(text);
      assert.doesNotMatch(escaped, /[<>"'\r]|&(?!(?:amp|lt|gt|quot|apos|#13);)/);
      assert.equal(
        unescapeXml(escaped),
        text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd'),
      );
    }),
  );
});

function unescapeXml(text: string): string {
  const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#13': '\r' };
  return text.replace(/&([^;]+);/g, (_, name: string) => names[name] ?? '?');
}
