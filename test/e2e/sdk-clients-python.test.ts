/** The vendor's unmodified SDKs for Python: the new one with its models, the old one with its requests and without. */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { type ClientRefusal, clientProgram } from '../support/client-program.ts';
import { PYTHON, PYTHON_PROGRAM } from '../support/language-clients.ts';
import { lifecycleCalls, refusalCalls } from '../support/program-calls.ts';
import { skipWithout } from '../support/requirements.ts';
import { type Secret, testLifecycle } from '../support/sdk-lifecycle.ts';
import { type Family, REQUEST_ID, type Refusal, testRefusals } from '../support/sdk-refusals.ts';

const NEW = 'alibabacloud_eci20180808 2.1.0';
const OLD = 'aliyun-python-sdk-eci 1.3.3';
/** By their names in the program. */
const CLIENTS: Readonly<Record<string, string>> = {
  [NEW]: 'models',
  [`${OLD}, GET`]: 'old GET',
  [`${OLD}, POST`]: 'old POST',
  [`${OLD}, CommonRequest, GET`]: 'common GET',
  [`${OLD}, CommonRequest, POST`]: 'common POST',
};
const SKIP = skipWithout({ tools: [PYTHON] });

const program = clientProgram(PYTHON, ['-I', PYTHON_PROGRAM]);
after(() => program.close());

testLifecycle({
  title: 'the vendor’s SDKs for Python',
  skip: SKIP || skipWithout({ tools: ['docker-registry'] }),
  clients: forEachClient(
    (client) => (endpoint: string, secret: Secret) => lifecycleCalls(program, client, endpoint, secret),
  ),
  checkWrongSecret({ type, status, code, message, requestId = '' }: ClientRefusal, client) {
    assert.match(requestId, REQUEST_ID);
    if (client === NEW) {
      assert.deepEqual(
        [type, status, code],
        ['alibabacloud_tea_openapi.ClientException', 400, 'SignatureDoesNotMatch'],
      );
      assert.match(message, /^code: 400, Specified signature does not match our calculation\./);
      return;
    }
    assert.deepEqual([type, status], ['aliyunsdkcore.ServerException', 400]);
    if (client.includes('CommonRequest')) {
      assert.equal(code, 'SignatureDoesNotMatch');
      assert.match(message, /^Specified signature is not matched with our calculation\. server string to sign is:/);
    } else {
      // Said only when it finds in the message the very text that it signed, which it does not keep of a CommonRequest.
      assert.equal(code, 'InvalidAccessKeySecret');
      assert.match(message, /^The AccessKeySecret is incorrect\./);
    }
  },
});

testRefusals({
  title: 'the vendor’s SDKs for Python',
  skip: SKIP,
  families: forEachClient(
    (client): Family<ClientRefusal> => ({
      connect: (endpoint, key) => refusalCalls({ program, client, endpoint, key }),
      check: client === 'models' ? checkNew : checkOld,
    }),
  ),
});

function forEachClient<T>(make: (client: string) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(CLIENTS).map(([name, client]) => [name, make(client)]));
}

function checkNew(error: ClientRefusal, { status, code, message, hasDetail }: Refusal): void {
  const isThrottled = code.startsWith('Throttling');
  const kind = isThrottled ? 'ThrottlingException' : status < 500 ? 'ClientException' : 'ServerException';
  assert.equal(error.type, `alibabacloud_tea_openapi.${kind}`);
  if (isThrottled) assert.ok(typeof error.retryAfter === 'number' && error.retryAfter > 0, String(error.retryAfter));
  assert.deepEqual([error.status, error.code], [status, code]);
  assert.match(error.requestId ?? '', REQUEST_ID);
  assert.equal(error.message, `code: ${status}, ${message} request id: ${error.requestId}`);
  assert.match(error.recommend ?? '', /^https:\/\/api\.aliyun\.com\/troubleshoot\?q=/);
  assert.equal(error.accessDeniedDetail?.AuthAction, hasDetail && 'eci:DescribeImageCaches');
}

function checkOld(error: ClientRefusal, { status, code, message }: Refusal): void {
  assert.equal(error.type, 'aliyunsdkcore.ServerException');
  assert.deepEqual([error.status, error.code, error.message], [status, code, message]);
  assert.match(error.requestId ?? '', REQUEST_ID);
}
