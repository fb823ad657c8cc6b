import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import type { Client } from '../conformance/client.ts';
import { type Live, startLive } from '../conformance/live.ts';

/** A live server with everything that the conformance suite needs, and an account on it, for the tests of a `describe`. */
export function withLive(): { readonly live: Live; readonly client: Client } {
  let live: (Live & { stop(): Promise<void> }) | undefined;
  let client: Client | undefined;
  before(async () => {
    live = await startLive();
    client = await live.newClient();
  });
  after(() => live?.stop());
  return {
    get live() {
      return live ?? assert.fail();
    },
    get client() {
      return client ?? assert.fail();
    },
  };
}
