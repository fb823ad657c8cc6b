/**
 * The vendor's unmodified SDK for Go, which the aliyun command line and Terraform's provider are built on: with models and
 * without, its endpoint given or found by the Location service.
 */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { type ClientRefusal, clientProgram } from '../support/client-program.ts';
import { GO_CLIENT } from '../support/language-clients.ts';
import { lifecycleCalls, refusalCalls } from '../support/program-calls.ts';
import { skipWithout } from '../support/requirements.ts';
import { type Secret, testLifecycle } from '../support/sdk-lifecycle.ts';
import { type Family, REQUEST_ID, type Refusal, testRefusals } from '../support/sdk-refusals.ts';

const NAME = 'alibaba-cloud-sdk-go 1.63.107';

const program = clientProgram(GO_CLIENT);
after(() => program.close());

const connect = (client: string) => (endpoint: string, secret: Secret) =>
  lifecycleCalls(program, client, endpoint, secret);

testLifecycle({
  title: 'the vendor’s SDK for Go',
  skip: skipWithout({ tools: ['docker-registry', GO_CLIENT] }),
  clients: {
    [`${NAME}, services/eci`]: connect('models'),
    [`${NAME}, services/eci, endpoint from services/location`]: connect('location'),
    [`${NAME}, CommonRequest, GET`]: connect('common GET'),
    [`${NAME}, CommonRequest, POST`]: connect('common POST'),
  },
  checkWrongSecret(refusal: ClientRefusal) {
    assert.equal(refusal.type, '*errors.ServerError');
    assert.deepEqual([refusal.status, refusal.code], [400, 'SignatureDoesNotMatch']);
    assert.match(
      refusal.message,
      /^Specified signature is not matched with our calculation\. server string to sign is:/,
    );
    assert.match(refusal.requestId ?? '', REQUEST_ID);
    // Said only when the SDK finds in the message the very text that it signed.
    assert.equal(refusal.recommend, 'InvalidAccessKeySecret: Please check you AccessKeySecret');
  },
});

const family = (client: string): Family<ClientRefusal> => ({
  connect: (endpoint, key) => refusalCalls({ program, client, endpoint, key }),
  check: checkServerError,
});

testRefusals({
  title: 'the vendor’s SDK for Go',
  skip: skipWithout({ tools: [GO_CLIENT] }),
  families: {
    [`${NAME}, services/eci`]: family('models'),
    [`${NAME}, CommonRequest, GET`]: family('common GET'),
    [`${NAME}, CommonRequest, POST`]: family('common POST'),
  },
});

function checkServerError(error: ClientRefusal, { status, code, message, hasDetail }: Refusal): void {
  assert.equal(error.type, '*errors.ServerError');
  assert.deepEqual([error.status, error.code, error.message], [status, code, message]);
  assert.match(error.requestId ?? '', REQUEST_ID);
  assert.match(error.recommend ?? '', /^https:\/\/api\.aliyun\.com\/troubleshoot\?q=/);
  assert.equal(error.accessDeniedDetail?.AuthAction, hasDetail && 'eci:DescribeImageCaches');
}
