import { setTimeout as sleep } from 'node:timers/promises';
import { benchImage } from '../../test/support/bench-images.ts';
import { DEBIAN_APPS } from '../../test/support/debian-images.ts';
import { pushImage } from '../../test/support/push-image.ts';
import { type Bench, create, type Goal, ready, spread } from './goal.ts';

const PAUSE_MS = 5;
const STATUS_POLL_MS = 200;

/** One caller that asks for the cache again and again while 1.3 GB are built. */
export async function* describeWhileBuilding({ start, registry }: Bench): AsyncGenerator<Goal> {
  await using server = await start();
  const reference = await pushImage(await benchImage(DEBIAN_APPS), DEBIAN_APPS, { host: registry.host });
  const id = await create(server, [reference]);
  const done = new AbortController();
  const built = ready(server, id, STATUS_POLL_MS).finally(() => done.abort());
  const times: number[] = [];
  while (!done.signal.aborted) {
    const startedMs = performance.now();
    await server.client.call('DescribeImageCaches', { ImageCacheId: id });
    times.push(performance.now() - startedMs);
    await sleep(PAUSE_MS);
  }
  await built;
  yield {
    what: `DescribeImageCaches while ${DEBIAN_APPS} is built (${times.length} calls)`,
    measured: spread(times),
    goal: 'p99 20 ms',
  };
}
