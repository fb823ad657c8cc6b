import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Client, Key } from '../conformance/client.ts';
import { type Live, startLive, WRITE_BURST } from '../conformance/live.ts';
import { REGION_ID } from './larder-server.ts';

/** A few writes more than the burst are let through while it is exhausted. */
const MAX_WRITES = 2 * WRITE_BURST;
export const REQUEST_ID = /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/;

/** Two calls that can be refused, whatever the client. */
export type Calls = {
  /** How many caches have this name. */
  count(imageCacheName: string): Promise<number>;
  delete(imageCacheId: string): Promise<void>;
};
export type Refusal = { status: number; code: string; message: string; hasDetail?: true };
export type Family<Thrown extends Error> = {
  readonly connect: (endpoint: string, key: Key) => Calls;
  /** Checks what the client throws for a refusal. */
  readonly check: (error: Thrown, refusal: Refusal) => void;
};
type Options<Thrown extends Error> = {
  title: string;
  skip?: string | false;
  families: Readonly<Record<string, Family<Thrown>>>;
};

/** Tests that each client has for a refusal the error with the class, the fields and the words that it has from the vendor. */
export function testRefusals<Thrown extends Error>({ title, skip = false, families }: Options<Thrown>): void {
  describe(`${title} and refusals`, { skip }, () => {
    let live: Live & { stop(): Promise<void> };
    let client: Client;
    let busy: Client;
    before(async () => {
      live = await startLive();
      client = await live.newClient();
      busy = await live.newClient();
    });
    after(() => live?.stop());

    for (const [name, { connect, check }] of Object.entries(families)) {
      const refused = (call: Promise<unknown>, refusal: Refusal) => assertRefused(call, refusal, check);

      test(`${name}: 400, a parameter that is too long`, async () => {
        const message = 'The length of parameter ImageCacheName exceeded limit: 1024.';
        await refused(connect(live.endpoint, client.key).count('x'.repeat(1025)), {
          status: 400,
          code: 'InvalidParameter.LengthExceeded',
          message,
        });
      });

      test(`${name}: 404, an image cache that is not there`, async () => {
        await refused(connect(live.endpoint, client.key).delete('imc-unknown'), {
          status: 404,
          code: 'InvalidParameter.NotFound',
          message: 'The specified ImageCacheId imc-unknown does not exist.',
        });
      });

      test(`${name}: 404, a key that is not there`, async () => {
        await refused(connect(live.endpoint, { id: 'unknown', secret: 'x' }).count('x'), {
          status: 404,
          code: 'InvalidAccessKeyId.NotFound',
          message: 'Specified access key is not found.',
        });
      });

      test(`${name}: 403, no permission, with the reason in full`, async () => {
        const user = await live.newUser(client, `powerless-${Object.keys(families).indexOf(name)}`);
        const resource = `acs:eci:${REGION_ID}:${client.accountId}:imagecache/*`;
        await refused(connect(live.endpoint, user.key).count('x'), {
          status: 403,
          code: 'NoPermission',
          message: `You are not authorized to do this action. Resource: ${resource} Action: eci:DescribeImageCaches`,
          hasDetail: true,
        });
      });

      test(`${name}: 400, an account in arrears`, async () => {
        const poor = await live.newClient();
        await live.admin.store.accounts.changeStates(poor.accountId, { set: ['arrears'] });
        await refused(connect(live.endpoint, poor.key).count('x'), {
          status: 400,
          code: 'Account.Arrearage',
          message: 'Your account has an outstanding payment.',
        });
      });

      test(`${name}: 400, throttled, with the time to wait`, async () => {
        const calls = connect(live.endpoint, busy.key);
        await refused(firstThrottled(calls), {
          status: 400,
          code: 'Throttling.User',
          message: 'Request was denied due to user flow control.',
        });
      });

      test(`${name}: a temporary key works with its token, and not without`, async () => {
        const key = await live.newTemporaryKey(client);
        assert.equal(await connect(live.endpoint, key).count('none'), 0);
        await refused(connect(live.endpoint, { id: key.id, secret: key.secret }).count('x'), {
          status: 400,
          code: 'MissingSecurityToken',
          message: 'SecurityToken is mandatory for this action.',
        });
      });
    }
  });

  testBrokenServer({ title, skip, families });
}

function testBrokenServer<Thrown extends Error>({ title, skip = false, families }: Options<Thrown>): void {
  describe(`${title} and a server that fails`, { skip }, () => {
    let live: Live & { stop(): Promise<void> };
    let client: Client;
    before(async () => {
      live = await startLive();
      client = await live.newClient();
      live.breakCatalog();
    });
    after(() => live?.stop());

    for (const [name, { connect, check }] of Object.entries(families)) {
      test(`${name}: 500, which says nothing of the inside`, async () => {
        const message = 'The request processing has failed due to some unknown error.';
        const refusal = { status: 500, code: 'InternalError', message };
        await assertRefused(connect(live.endpoint, client.key).count('x'), refusal, check);
      });
    }
  });
}

async function assertRefused<Thrown extends Error>(
  call: Promise<unknown>,
  refusal: Refusal,
  check: Family<Thrown>['check'],
): Promise<void> {
  await assert.rejects(call, (error: Thrown) => {
    check(error, refusal);
    return true;
  });
}

/** Writes until one is throttled, and fails with what that one failed with. */
async function firstThrottled(calls: Calls): Promise<void> {
  for (let writes = 0; writes < MAX_WRITES; writes++) {
    try {
      await calls.delete('imc-unknown');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('InvalidParameter.NotFound')))
        throw error;
    }
  }
}
