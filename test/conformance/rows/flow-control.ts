import assert from 'node:assert/strict';
import { codeOf } from '../client.ts';
import { MAX_BAD_SIGNATURES, WRITE_BURST } from '../live.ts';
import { GATEWAY, type Row, rowsOf } from '../row.ts';

const row = rowsOf(GATEWAY);
const create = rowsOf('CreateImageCache');
/** The default of the limit: it is the vendor's. */
const CREATES_PER_MINUTE = 200;
const CALLS_AT_ONCE = 25;
const MINUTE_MS = 60_000;

/** The header that newer clients make a ThrottlingError with a time of. */
function retryAfterMs(headers: NodeJS.Dict<string | string[]>): number {
  const text = String(headers['x-acs-retry-after']);
  assert.match(text, /^\d+$/);
  const value = Number(text);
  assert.ok(value > 0 && value <= MINUTE_MS, text);
  return value;
}

/** What happens to callers who call too often, or with wrong signatures: the limits of this server, the vendor's errors. */
export const flowControl: readonly Row[] = [
  row('error', 'Throttling.User', 'an account changes things more often than it may; reads go on', async (live) => {
    const client = await live.newClient();
    const other = await live.newClient();
    const call = { ImageCacheId: 'imc-00000000000000000000' };
    for (let calls = 0; ; calls++) {
      assert.ok(calls <= WRITE_BURST + 60, 'never refused');
      const answer = await client.call('DeleteImageCache', call);
      if (codeOf(answer) !== 'Throttling.User') continue;
      assert.ok(calls >= WRITE_BURST, `refused after ${calls}`);
      assert.equal(answer.status, 400);
      assert.equal(answer.json.Message, 'Request was denied due to user flow control.');
      retryAfterMs(answer.headers);
      break;
    }
    await client.ok('DescribeImageCaches');
    assert.notEqual(codeOf(await other.call('DeleteImageCache', call)), 'Throttling.User');
  }),
  create(
    'error',
    'Throttling.User',
    'more than 200 a minute in a region; other regions and calls go on',
    async (live) => {
      const client = await live.newClient();
      const call = { ImageCacheName: 'x', Image: [live.image], DryRun: true };
      for (let calls = 0; calls < CREATES_PER_MINUTE; calls += CALLS_AT_ONCE) {
        const answers = await Promise.all(
          Array.from({ length: CALLS_AT_ONCE }, () => client.call('CreateImageCache', call)),
        );
        for (const answer of answers) assert.equal(codeOf(answer), 'DryRunOperation');
      }
      for (let calls = 0; ; calls++) {
        assert.ok(calls < CREATES_PER_MINUTE, 'never refused');
        const answer = await client.call('CreateImageCache', call);
        if (codeOf(answer) !== 'Throttling.User') continue;
        assert.equal(answer.status, 400);
        assert.equal(answer.json.Message, 'Request was denied due to user flow control.');
        assert.ok(retryAfterMs(answer.headers) <= MINUTE_MS / CREATES_PER_MINUTE);
        break;
      }
      await client.refused(
        'CreateImageCache',
        { ...call, RegionId: 'elsewhere' },
        { status: 400, code: 'DryRunOperation' },
      );
      await client.refused(
        'DeleteImageCache',
        { ImageCacheId: 'imc-x' },
        { status: 404, code: 'InvalidParameter.NotFound' },
      );
    },
  ),
  row('error', 'Throttling', 'a key came with wrong signatures too often in a row; other keys go on', async (live) => {
    const client = await live.newClient();
    const other = await live.newClient();
    const guess = { key: { ...client.key, secret: 'guessed' } };
    const wrong = { status: 400, code: 'SignatureDoesNotMatch' };
    for (let tries = 1; tries < MAX_BAD_SIGNATURES; tries++) await client.refused('ListUsage', {}, wrong, guess);
    await client.ok('ListUsage');
    for (let tries = 0; tries <= MAX_BAD_SIGNATURES; tries++) await client.refused('ListUsage', {}, wrong, guess);
    const message = 'Request was denied due to request throttling.';
    const answer = await client.refused('ListUsage', {}, { status: 400, code: 'Throttling', message }, guess);
    retryAfterMs(answer.headers);
    // Otherwise the answer would tell a guess that is right.
    await client.refused('ListUsage', {}, { status: 400, code: 'Throttling' });
    await other.ok('ListUsage');
    await client.until(async () => codeOf(await client.call('ListUsage')) === 'OK');
  }),
];
