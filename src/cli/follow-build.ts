import { setTimeout as sleep } from 'node:timers/promises';
import { LarderError } from '../lib/errors.ts';
import { parseDescribeAnswer, parseProgress, type ShownCache } from './answers.ts';
import type { ApiClient } from './connect.ts';
import type { ProgressView } from './progress-view.ts';

const POLL_INTERVAL_MS = 1000;
/** As long as Terraform's provider waits for a cache. */
const WAIT_TIMEOUT_MS = 60 * 60_000;
const FINAL = new Set(['Ready', 'Failed', 'UpdateFailed']);

export type Followed = { cache: ShownCache; answer: unknown };

/**
 * Follows a build to its end and gives the last answer of DescribeImageCaches. The server's stream feeds the view; where it
 * breaks off (a proxy, a restart, another implementation of the API), polling goes on.
 */
export async function followBuild(options: {
  client: ApiClient;
  imageCacheId: string;
  view?: ProgressView | undefined;
  signal: AbortSignal;
}): Promise<Followed> {
  const { client, imageCacheId, view } = options;
  const timeout = AbortSignal.timeout(WAIT_TIMEOUT_MS);
  const signal = AbortSignal.any([options.signal, timeout]);
  try {
    if (view) await showStream(client, imageCacheId, view, signal);
    for (;;) {
      const answer = await client.call('DescribeImageCaches', { ImageCacheId: imageCacheId }, { signal });
      const [cache] = parseDescribeAnswer(answer).ImageCaches;
      if (!cache) throw new LarderError('cli.cache-gone', `${imageCacheId} was deleted while it was built`);
      if (FINAL.has(cache.Status)) return { cache, answer };
      view?.show({ Status: cache.Status, Progress: cache.Progress, Layers: [] });
      await sleep(POLL_INTERVAL_MS, undefined, { signal });
    }
  } catch (error) {
    if (!timeout.aborted) throw error;
    throw new LarderError(
      'cli.wait-timeout',
      `${imageCacheId} is still being built after an hour; larder describe shows more`,
    );
  } finally {
    view?.stop();
  }
}

/** Ends with the build, or as soon as the stream does. */
async function showStream(
  client: ApiClient,
  imageCacheId: string,
  view: ProgressView,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const message of client.openEvents('/events', { ImageCacheId: imageCacheId }, { signal })) {
      const progress = parseProgress(message);
      view.show(progress);
      if (FINAL.has(progress.Status)) return;
    }
  } catch {
    signal.throwIfAborted();
  }
}

/** Why a build failed: its warnings in their order, the first of which names the image and the last the step that gave up. */
export function failureReason(cache: ShownCache): string {
  const warnings = cache.Events.filter((event) => event.Type === 'Warning').map((event) => event.Message);
  return warnings.join('; ') || `the cache is ${cache.Status}`;
}
