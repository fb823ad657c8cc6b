/** Every point of the API against a live server, over the wire. The rows are data: docs/api is made from them, too. */
import { after, before, describe, test } from 'node:test';
import { type Live, startLive } from './live.ts';
import { testName } from './row.ts';
import { ROWS } from './rows/index.ts';

/** Each row has an account of its own. */
const ROWS_AT_ONCE = 8;

describe('conformance', { concurrency: ROWS_AT_ONCE }, () => {
  let live: Live & { stop(): Promise<void> };
  before(async () => {
    live = await startLive();
  });
  after(() => live?.stop());

  for (const row of ROWS) test(testName(row), () => row.run(live));
});
